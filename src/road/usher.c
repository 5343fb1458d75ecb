#include "road/usher.h"

#include "road/refuse.h"

static void usher_thread(void *arg) {
    const struct usher *usher = arg;
    struct road *road = usher->road;
    usec_t until = USEC_NEVER;
    enum overdue what;
    struct job job;

    while ((what = queue_wait_overdue(&road->queue, until, &job)) != OVERDUE_END) {
        if (what == OVERDUE_JOB || what == OVERDUE_FULL) {
            enum end end = what == OVERDUE_FULL ? END_SERVERS_FULL : END_QUEUE_TIMEOUT;

            job.record.popped = clock_now();
            refuse_client(road, &job, end, 0, true);
            continue;
        }
        usec_t now = clock_now();
        bool left = queue_trim(&road->queue, now - SPARE_IDLE_MAX);
        left = spares_tidy(usher->spares) || left;
        until = left ? now + SPARE_IDLE_MAX : USEC_NEVER;
        if (queue_retry_full(&road->queue))
            until = now + FULL_AGAIN;
    }
}

int usher_start(struct usher *usher, struct road *road, struct spares *spares) {
    usher->road = road;
    usher->spares = spares;
    return thread_start(&usher->thread, "usher", NULL, usher_thread, usher);
}

void usher_stop(struct usher *usher) {
    if (!usher->thread.running)
        return;
    queue_end_overdue(&usher->road->queue);
    thread_join(&usher->thread);
}
