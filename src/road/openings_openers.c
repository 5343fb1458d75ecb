/* The openers: which opening they take, and when they come and go. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "road/opener.h"
#include "road/openings_inside.h"

/* The opener that asks is one too many. */
static bool is_superfluous(const struct openings *openings) REQUIRES(openings->lock) {
    return atomic_load(&openings->stop) || openings->n_openers > openings->max;
}

/* Waits for an opening; gives up after a while, unless it is the last opener. */
static void wait_idle(struct openings *openings, struct opener *opener) REQUIRES(openings->lock) {
    usec_t until = clock_now() + OPENER_IDLE_MAX;
    bool waits = true;

    TAILQ_INSERT_HEAD(&openings->idle, opener, idle_entry);
    while (opener->opening == NULL && waits && !is_superfluous(openings)) {
        uint32_t seen = event_value(&opener->wake);

        lock_release(&openings->lock);
        (void)event_wait_until(&opener->wake, seen, until);
        lock_acquire(&openings->lock);
        waits = clock_now() < until || openings->n_openers == 1;
        if (clock_now() >= until)
            until = clock_now() + OPENER_IDLE_MAX;
    }
    if (opener->opening == NULL)
        TAILQ_REMOVE(&openings->idle, opener, idle_entry);
}

/* With the next one at once: it may be what the last one was put out for. */
static struct opening *change_opening(struct openings *openings, struct opener *opener,
                                      const struct opening *last) {
    lock_acquire(&openings->lock);
    if (last != NULL)
        openings_count_out(openings, last);
    opener->opening = NULL;
    if (openings->n_openers <= openings->max || atomic_load(&openings->stop))
        opener->opening = openings_take(openings);
    /* Those who wait at a gate may have a place already, and not yet know it: they speak for
     * themselves. */
    if (openings->waiting > openings->leaving)
        openings_make_room(openings);
    struct opening *opening = opener->opening;
    lock_release(&openings->lock);
    return opening;
}

static struct opening *await_opening(struct openings *openings, struct opener *opener) {
    lock_acquire(&openings->lock);
    if (openings->n_openers <= openings->max || atomic_load(&openings->stop))
        opener->opening = openings_take(openings);
    if (opener->opening == NULL)
        wait_idle(openings, opener);
    struct opening *opening = opener->opening;
    if (opening == NULL)
        openings->n_openers--; /* decided and counted at once: the last one stays */
    lock_release(&openings->lock);
    return opening;
}

/* The last opening is done with, and freed (NULL: there was none). NULL: the opener has to end. */
static struct opening *next_opening(struct openings *openings, struct opener *opener,
                                    struct opening *last) {
    struct opening *opening = change_opening(openings, opener, last);

    if (last != NULL)
        opening_free(last);
    return opening != NULL ? opening : await_opening(openings, opener);
}

/* The thread is about to end, and joins those that ended before it: never more than one waits for
 * that for long. */
static void end_opener(struct opener *opener) {
    struct openings *openings = opener->openings;
    struct ended_list before;

    lock_acquire(&openings->lock);
    while (!opener->started) {
        uint32_t seen = event_value(&opener->wake);

        lock_release(&openings->lock);
        (void)event_wait(&opener->wake, seen);
        lock_acquire(&openings->lock);
    }
    before = openings->ended;
    SLIST_INIT(&openings->ended);
    SLIST_INSERT_HEAD(&openings->ended, opener, ended_entry);
    TAILQ_REMOVE(&openings->openers, opener, entry);
    cond_broadcast(&openings->gone);
    lock_release(&openings->lock);
    openings_free_ended(&before);
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
        opening = next_opening(openings, opener, NULL);
    while (opening != NULL) {
        openings->serve(openings->arg, opening);
        opening = next_opening(openings, opener, opening);
    }
    end_opener(opener);
}

static void list_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    TAILQ_INSERT_HEAD(&openings->openers, opener, entry);
    lock_release(&openings->lock);
}

/* It may be gone as soon as it has heard. */
static void release_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    opener->started = true;
    opener_call(opener);
    lock_release(&openings->lock);
    event_wake(&opener->wake);
}

static void unlist_opener(struct opener *opener) {
    struct openings *openings = opener->openings;

    lock_acquire(&openings->lock);
    TAILQ_REMOVE(&openings->openers, opener, entry);
    lock_release(&openings->lock);
}

int openings_add_opener(struct openings *openings, struct opening *opening) {
    struct opener *opener = opener_new(openings, opening);

    if (opener == NULL)
        return -ENOMEM;
    list_opener(opener);
    int r = opener_start(opener, opener_thread);
    if (r == 0) {
        release_opener(opener);
        return 0;
    }
    unlist_opener(opener);
    opener_free(opener);
    return r;
}

void openings_free_ended(struct ended_list *ended) {
    struct opener *opener;

    while ((opener = SLIST_FIRST(ended)) != NULL) {
        SLIST_REMOVE_HEAD(ended, ended_entry);
        opener_free(opener);
    }
}

int openings_begin(struct openings *openings) {
    lock_acquire(&openings->lock);
    bool make = openings->n_openers == 0;
    openings->n_openers += make;
    lock_release(&openings->lock);
    int r = make ? openings_add_opener(openings, NULL) : 0;
    if (r == 0)
        return 0;
    lock_acquire(&openings->lock);
    openings->n_openers--;
    lock_release(&openings->lock);
    return r;
}

bool openings_move(struct openings *openings, usec_t patience, char *ret_what, size_t size) {
    usec_t now = clock_now();
    const struct opener *opener;
    bool moves = true;

    lock_acquire(&openings->lock);
    TAILQ_FOREACH(opener, &openings->openers, entry) {
        const struct opening *opening = opener->opening;

        if (opening != NULL && !opening->whole && now > opening->deadline + patience)
            moves = false;
    }
    lock_release(&openings->lock);
    if (!moves)
        snprintf(ret_what, size, "an opener is stuck at its connection");
    return moves;
}

bool openings_stop_until(struct openings *openings, usec_t deadline) {
    struct opener *opener;

    lock_acquire(&openings->lock);
    atomic_store(&openings->stop, true);
    TAILQ_FOREACH(opener, &openings->openers, entry) {
        opener_call(opener);
        event_wake(&opener->wake);
        thread_interrupt(&opener->thread); /* interrupt_note */
    }
    while (!TAILQ_EMPTY(&openings->openers) &&
           cond_wait_until(&openings->gone, &openings->lock, deadline))
        continue;
    bool ended = TAILQ_EMPTY(&openings->openers);
    lock_release(&openings->lock);
    return ended;
}

size_t openings_count_glimpses(struct openings *openings) {
    lock_acquire(&openings->lock);
    size_t waiting = openings->waiting, working = openings->working;
    lock_release(&openings->lock);
    return (waiting < GLIMPSES_WAITING ? waiting : GLIMPSES_WAITING) + working;
}

size_t openings_glimpse(struct openings *openings, struct glimpse *ret_list, size_t most) {
    const struct opening *opening;
    const struct opener *opener;
    const struct lane *lane;
    size_t n = 0;

    lock_acquire(&openings->lock);
    TAILQ_FOREACH(lane, &openings->lanes, entry)
        STAILQ_FOREACH(opening, &lane->waiting, next) {
            if (n == most || n == GLIMPSES_WAITING)
                break;
            ret_list[n++] = opening->glimpse;
        }
    TAILQ_FOREACH(opener, &openings->openers, entry) {
        if (n == most)
            break;
        if (opener->opening != NULL)
            ret_list[n++] = opener->opening->glimpse;
    }
    lock_release(&openings->lock);
    return n;
}
