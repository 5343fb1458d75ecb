#include "control/errands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/sync.h"

struct errand {
    LIST_ENTRY(errand) entry;
    enum errand_kind kind;
    enum errand_state state;
    bool good;
    char text[ERRAND_TEXT_MAX];
};

LIST_HEAD(errand_list, errand);

static struct {
    struct lock lock;
    struct errand_list list GUARDED;
    size_t n GUARDED;
    void (*wake)(void *arg) GUARDED;
    void *arg GUARDED;
    bool ended GUARDED; /* main takes none any more */
} errands = {.lock = LOCK_INITIAL(RANK_LEAF)};

static void finish_errand(struct errand *errand, bool good, const char *text) {
    errand->state = ERRAND_DONE;
    errand->good = good;
    snprintf(errand->text, sizeof(errand->text), "%s", text);
}

void errands_begin(void (*wake)(void *arg), void *arg) {
    struct errand *errand;

    lock_acquire(&errands.lock);
    errands.wake = wake;
    errands.arg = arg;
    errands.ended = wake == NULL;
    LIST_FOREACH(errand, &errands.list, entry)
        if (wake == NULL && errand->state != ERRAND_DONE)
            finish_errand(errand, false, "relayd stops.");
    lock_release(&errands.lock);
}

struct errand *errand_new(enum errand_kind kind, const char **ret_why) {
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL) {
        *ret_why = "there is no memory";
        return NULL;
    }
    errand->kind = kind;
    lock_acquire(&errands.lock);
    bool taken = errands.wake != NULL && errands.n < ERRANDS_MOST;
    *ret_why = errands.ended          ? "relayd stops"
               : errands.wake == NULL ? "relayd starts"
                                      : "too many wait for this";
    void (*wake)(void *arg) = errands.wake;
    void *arg = errands.arg;
    if (taken) {
        LIST_INSERT_HEAD(&errands.list, errand, entry);
        errands.n++;
    }
    lock_release(&errands.lock);
    if (taken) {
        wake(arg);
        return errand;
    }
    free(errand);
    return NULL;
}

void errand_free(struct errand *errand) {
    if (errand == NULL)
        return;
    lock_acquire(&errands.lock);
    LIST_REMOVE(errand, entry);
    errands.n--;
    lock_release(&errands.lock);
    free(errand);
}

enum errand_state errand_look(const struct errand *errand, bool *ret_good,
                              char ret_text[ERRAND_TEXT_MAX]) {
    lock_acquire(&errands.lock);
    enum errand_state state = errand->state;
    if (state == ERRAND_DONE) {
        *ret_good = errand->good;
        memcpy(ret_text, errand->text, ERRAND_TEXT_MAX);
    }
    lock_release(&errands.lock);
    return state;
}

bool errands_wait(enum errand_kind kind) {
    const struct errand *errand;
    bool any = false;

    lock_acquire(&errands.lock);
    LIST_FOREACH(errand, &errands.list, entry)
        any = any || (errand->kind == kind && errand->state == ERRAND_WAITS);
    lock_release(&errands.lock);
    return any;
}

void errands_serve(enum errand_kind kind) {
    struct errand *errand;

    lock_acquire(&errands.lock);
    LIST_FOREACH(errand, &errands.list, entry)
        if (errand->kind == kind && errand->state == ERRAND_WAITS)
            errand->state = ERRAND_SERVED;
    lock_release(&errands.lock);
}

void errands_answer(enum errand_kind kind, bool good, const char *text) {
    struct errand *errand;

    lock_acquire(&errands.lock);
    LIST_FOREACH(errand, &errands.list, entry)
        if (errand->kind == kind && errand->state == ERRAND_SERVED)
            finish_errand(errand, good, text);
    lock_release(&errands.lock);
}
