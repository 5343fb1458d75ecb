#include "road/spares.h"

#include <stdatomic.h>

#include "road/shortage.h"

void spares_init(struct spares *spares, struct road *road) UNCHECKED {
    *spares = (struct spares){.road = road};
    lock_init(&spares->lock, RANK_LEAF);
    TAILQ_INIT(&spares->list);
}

void spares_destroy(struct spares *spares) UNCHECKED {
    CHECK(TAILQ_EMPTY(&spares->list));
    lock_destroy(&spares->lock);
}

int spares_add(void *arg) {
    struct spares *spares = arg;
    struct worker *worker;

    lock_acquire(&spares->lock);
    size_t number = ++spares->started;
    lock_release(&spares->lock);
    int r = worker_start(spares->road, number, true, &worker);
    if (r < 0) {
        shortage_log("start a thread for a server that answers late", -r);
        return r;
    }
    lock_acquire(&spares->lock);
    TAILQ_INSERT_TAIL(&spares->list, worker, entry);
    lock_release(&spares->lock);
    return 0;
}

/* Takes one out of the list, to be joined. ended: only one that has ended. */
static struct worker *take_spare(struct spares *spares, bool ended, bool *ret_left) {
    struct worker *worker;

    lock_acquire(&spares->lock);
    TAILQ_FOREACH(worker, &spares->list, entry)
        if (!ended || atomic_load(&worker->ended))
            break;
    if (worker != NULL)
        TAILQ_REMOVE(&spares->list, worker, entry);
    *ret_left = !TAILQ_EMPTY(&spares->list);
    lock_release(&spares->lock);
    return worker;
}

bool spares_tidy(struct spares *spares) {
    struct worker *worker;
    bool left;

    while ((worker = take_spare(spares, true, &left)) != NULL)
        worker_free(worker);
    return left;
}

bool spares_come(struct spares *spares, usec_t patience, char *ret_what, size_t size) {
    const struct worker *worker;
    bool all = true;

    lock_acquire(&spares->lock);
    TAILQ_FOREACH(worker, &spares->list, entry)
        all = all && worker_comes(worker, patience, ret_what, size);
    lock_release(&spares->lock);
    return all;
}

/* One that starts another one is in the list until it has ended, and the other one by then. */
void spares_end(struct spares *spares) {
    struct worker *worker;
    bool left;

    while ((worker = take_spare(spares, false, &left)) != NULL)
        worker_free(worker);
}
