#include "road/enqueue.h"

#include <errno.h>
#include <stdatomic.h>

#include "road/generation.h"
#include "road/shortage.h"

enum end enqueue_job(struct road *road, struct job *job) {
    bool waits = job->route->generation->config->global.when_full == WHEN_FULL_WAIT;
    struct line *line = job->route->line;
    int r;

    while ((r = queue_push(&road->queue, line, job)) < 0) {
        if (r == -ECANCELED)
            return END_STOPPED;
        if (r != -EAGAIN) {
            shortage_log("queue a connection", -r);
            return END_NO_PUMPS;
        }
        if (!waits && !atomic_load(&road->stop_accept))
            return END_QUEUE_FULL;
        if (queue_wait_room(&road->queue, line) == ROOM_CLOSED)
            waits = true; /* in a drain there is no bound */
    }
    return END_NONE;
}
