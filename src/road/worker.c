#include "road/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stats.h"
#include "road/dial.h"
#include "road/exhausted.h"
#include "road/generation.h"
#include "road/refuse.h"

static enum end end_of_dial(enum dial_outcome outcome) {
    switch (outcome) {
    case DIAL_REFUSED:
        return END_DIAL_REFUSED;
    case DIAL_TIMED_OUT:
        return END_DIAL_TIMEOUT;
    case DIAL_NO_NAME:
        return END_NO_NAME;
    case DIAL_FULL:
        return END_SERVERS_FULL;
    case DIAL_DOWN:
        return END_SERVERS_DOWN;
    case DIAL_DRAINED:
        return END_DRAINED;
    case DIAL_STOPPED:
        return END_STOPPED;
    case DIAL_LOOP:
        return END_LOOP;
    case DIAL_CUT_OFF:
        return END_CUT_OFF;
    case DIAL_NO_SOCKET:
    case DIAL_OK:
    default:
        return END_NO_SOCKET;
    }
}

/* Both sockets are there: find a pair of pumps for them. On failure the job still holds all. */
static int hand_over(struct road *road, struct job *job) {
    struct pump_pair *pair;
    int r = pump_pool_get(&road->pumps, &pair);

    if (r < 0)
        return r;
    struct member *member = member_ref(job->has.member); /* the conn may give its own back */
    struct conn *conn = conn_new(&job->record, &job->route->options, &road->registry, &road->gate,
                                 &road->pipes, road->link, &job->has);
    if (conn == NULL) {
        member_unref(member);
        pump_pool_put(&road->pumps, pair);
        return -ENOMEM;
    }
    stats_add(STAT_relayed, 1);
    if (conn->hold.link != NULL)
        link_hold(&conn->hold, conn->fd);
    /* Its server may have been found down during the dial, when this was no connection yet. */
    if (job->route->upstream->config->on_down == ON_DOWN_RESET && atomic_load(&member->down))
        conn_abort(conn, END_SERVER_DOWN, 0);
    member_unref(member);
    pump_pool_run(pair, conn);
    return 0;
}

static void serve_job(struct road *road, struct job *job, struct turn *turn) {
    usec_t patience = job->route->generation->config->global.queue_timeout;

    job->record.popped = clock_now();
    if (atomic_load(&road->stop_now)) {
        refuse_client(road, job, END_STOPPED, 0, true);
        return;
    }
    if (job->record.popped - job->record.queued > patience) {
        refuse_client(road, job, job->full_since != 0 ? END_SERVERS_FULL : END_QUEUE_TIMEOUT, 0,
                      true);
        return;
    }
    enum dial_outcome outcome = dial(job, turn, &road->stop_now);
    while (outcome == DIAL_FULL &&
           route_follow(job)) /* nor do those behind wait for what is gone */
        outcome = dial(job, turn, &road->stop_now);
    if (outcome == DIAL_FULL && job->full_since == 0)
        stats_add(STAT_waited_servers_full, 1);
    if (outcome == DIAL_FULL && queue_put_back(&road->queue, turn, job))
        return;
    job->record.dialled = clock_now();
    if (outcome != DIAL_OK) {
        refuse_client(road, job, end_of_dial(outcome), job->record.error, true);
        return;
    }
    int r = hand_over(road, job);
    if (r == 0) {
        turn->outcome = TURN_FOUND;
    } else {
        exhausted_say("start the threads of a connection", -r);
        refuse_client(road, job, END_NO_PUMPS, -r, true);
    }
}

static void worker_thread(void *arg) {
    struct worker *worker = arg;
    struct job job;

    thread_lighten();
    while (queue_pop(&worker->road->queue, &worker->turn, &job)) {
        serve_job(worker->road, &job, &worker->turn);
        if (job.route != NULL) /* else it was put back, or refused */
            route_unref(job.route);
    }
    atomic_store(&worker->ended, true);
}

static const char *kind_of_worker(const struct worker *worker) {
    return worker->turn.spare ? "spare" : "worker";
}

int worker_start(struct road *road, size_t number, bool spare, struct worker **ret_worker) {
    struct worker *worker = calloc(1, sizeof(*worker));
    char name[16];

    if (worker == NULL)
        return -ENOMEM;
    worker->road = road;
    worker->number = number;
    worker->turn.spare = spare;
    snprintf(name, sizeof(name), "%s-%zu", kind_of_worker(worker), number % 10000);
    int r = thread_start(&worker->thread, name, NULL, worker_thread, worker);
    if (r < 0)
        free(worker);
    else
        *ret_worker = worker;
    return r;
}

void worker_free(struct worker *worker) {
    thread_interrupt_join(&worker->thread);
    free(worker);
}

bool worker_comes(const struct worker *worker, usec_t patience, char *ret_what, size_t size) {
    usec_t woken = atomic_load(&worker->turn.woken);

    if (woken == 0 || clock_now() - woken <= patience)
        return true;
    snprintf(ret_what, size, "%s-%zu does not take its job", kind_of_worker(worker),
             worker->number);
    return false;
}
