#include "relay/usher.h"

#include "relay/refuse.h"
#include "relay/relay.h"

static void send_away(struct relay *relay, struct job *job, enum end end) {
    struct route *route = job->route;

    job->record.popped = clock_now();
    refuse(relay, job, end, 0, true);
    route_unref(route);
}

static void usher_thread(void *arg) {
    struct relay *relay = ((struct usher *)arg)->relay;
    usec_t until = USEC_NEVER;
    enum overdue what;
    struct job job;

    while ((what = queue_wait_overdue(&relay->queue, until, &job)) != OVERDUE_END) {
        if (what == OVERDUE_JOB || what == OVERDUE_FULL) {
            send_away(relay, &job, what == OVERDUE_FULL ? END_SERVERS_FULL : END_QUEUE_TIMEOUT);
            continue;
        }
        usec_t now = clock_now();
        bool spares = queue_trim(&relay->queue, now - SPARE_IDLE_MAX);
        spares = spares_tidy(&relay->spares) || spares;
        until = spares ? now + SPARE_IDLE_MAX : USEC_NEVER;
        if (queue_retry_full(&relay->queue))
            until = now + FULL_AGAIN;
    }
}

int usher_start(struct usher *usher, struct relay *relay) {
    usher->relay = relay;
    return thread_start(&usher->thread, "usher", NULL, usher_thread, usher);
}

void usher_stop(struct usher *usher) {
    if (!usher->thread.running)
        return;
    queue_end_overdue(&usher->relay->queue);
    thread_join(&usher->thread);
}
