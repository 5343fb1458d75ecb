#include "road/opener.h"

#include <errno.h>
#include <stdlib.h>

/* Ends the thread's part: those that ended before it are joined by it, so that there is never more
 * than one of them for long. */
static void end_opener(struct opener *opener) {
    struct openings *openings = opener->openings;
    struct ended_list before;

    lock_acquire(&openings->lock);
    while (!opener->started)
        cond_wait(&opener->wake, &openings->lock);
    before = openings->ended;
    SLIST_INIT(&openings->ended);
    SLIST_INSERT_HEAD(&openings->ended, opener, ended_link);
    TAILQ_REMOVE(&openings->openers, opener, link);
    cond_broadcast(&openings->gone);
    lock_release(&openings->lock);
    opener_join_all(&before);
}

/* What it was made for. */
static struct opening *first_opening(struct opener *opener) {
    lock_acquire(&opener->openings->lock);
    struct opening *opening = opener->opening;
    lock_release(&opener->openings->lock);
    return opening;
}

static void opener_thread(void *arg) {
    struct opener *opener = arg;
    struct openings *openings = opener->openings;
    struct opening *opening = first_opening(opener);

    thread_lighten();
    if (opening == NULL)
        opening = openings_next(openings, opener, NULL);
    while (opening != NULL) {
        openings->serve(openings->arg, opening);
        opening = openings_next(openings, opener, opening);
    }
    end_opener(opener);
}

static void list_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    TAILQ_INSERT_HEAD(&openings->openers, opener, link);
    lock_release(&openings->lock);
}

/* It may be gone as soon as it has heard. */
static void release_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    opener->started = true;
    cond_signal(&opener->wake);
    lock_release(&openings->lock);
}

static void unlist_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    TAILQ_REMOVE(&openings->openers, opener, link);
    lock_release(&openings->lock);
}

int opener_start(struct openings *openings, struct opening *opening) UNCHECKED {
    struct opener *opener = calloc(1, sizeof(*opener));

    if (opener == NULL)
        return -ENOMEM;
    opener->openings = openings;
    opener->opening = opening;
    cond_init(&opener->wake);
    list_opener(opener);
    int r = stack_make(&opener->stack, OPENER_STACK, 0);
    if (r == 0)
        r = thread_start(&opener->thread, "opener", &opener->stack, opener_thread, opener);
    if (r == 0) {
        release_opener(opener);
        return 0;
    }
    unlist_opener(opener);
    stack_free(&opener->stack);
    cond_destroy(&opener->wake);
    free(opener);
    return r;
}

void opener_join_all(struct ended_list *ended) {
    struct opener *opener;

    while ((opener = SLIST_FIRST(ended)) != NULL) {
        SLIST_REMOVE_HEAD(ended, ended_link);
        thread_join(&opener->thread);
        stack_free(&opener->stack);
        cond_destroy(&opener->wake);
        free(opener);
    }
}
