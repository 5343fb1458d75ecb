#include "road/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stats.h"
#include "conn/pulse.h"
#include "road/branch.h"
#include "road/dial.h"
#include "road/exchanges.h"
#include "road/shortage.h"
#include "road/generation.h"
#include "road/refuse.h"

/* Both sockets are there: they get a pair of pumps. 0 or -errno; then the job still holds all. */
static int start_pumps(struct road *road, struct job *job) {
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
    /* Its server may have gone down during the dial, when this was no connection yet. */
    if (upstream_resets(job->route->upstream, member))
        conn_abort(conn, END_SERVER_DOWN, 0);
    member_unref(member);
    pump_pool_run(pair, conn);
    return 0;
}

static enum end hand_over(struct road *road, struct job *job, struct turn *turn, int *ret_error) {
    int r = start_pumps(road, job);

    if (r == 0) {
        turn->outcome = TURN_FOUND;
        return END_NONE;
    }
    shortage_log("start the threads of a connection", -r);
    *ret_error = -r;
    return END_NO_PUMPS;
}

#define LONG_IN_QUEUE USEC_PER_MSEC /* so long that a client may have gone meanwhile */

/* Of a request that has waited: nobody wants its answer any more. Who has only ended may: it has
 * said all. */
static bool was_reset(const struct job *job) {
    return job->exchange != NULL && job->record.popped - job->record.queued >= LONG_IN_QUEUE &&
           pulse_take(job->has.client).closed;
}

/* END_NONE: it was handed over, or put back. Else how it ends; *ret_error is the errno, or 0. */
static enum end serve_job(struct road *road, struct job *job, struct turn *turn, int *ret_error) {
    usec_t patience = job->route->generation->config->global.queue_timeout;

    *ret_error = 0;
    job->record.popped = clock_now();
    if (atomic_load(&road->stop_now))
        return END_STOPPED;
    if (job->record.popped - job->record.queued > patience)
        return job->full_since != 0 ? END_SERVERS_FULL : END_QUEUE_TIMEOUT;
    if (was_reset(job))
        return END_CLIENT_RESET;
    enum end end = dial(job, turn, &road->stop_now);
    /* A newer configuration may have servers with room. */
    while (end == END_SERVERS_FULL && branch_follow(job))
        end = dial(job, turn, &road->stop_now);
    if (end == END_SERVERS_FULL && job->full_since == 0)
        stats_add(STAT_waited_servers_full, 1);
    if (end == END_SERVERS_FULL && queue_put_back(&road->queue, turn, job))
        return END_NONE;
    job->record.dialled = clock_now();
    *ret_error = job->record.error;
    if (end == END_NONE && job->exchange != NULL) {
        turn->outcome = TURN_FOUND;
        exchanges_deliver(job, END_NONE, 0);
        return END_NONE;
    }
    return end != END_NONE ? end : hand_over(road, job, turn, ret_error);
}

static void worker_thread(void *arg) {
    struct worker *worker = arg;
    struct job job;
    int error;

    thread_lighten();
    while (queue_pop(&worker->road->queue, &worker->turn, &job)) {
        enum end end = serve_job(worker->road, &job, &worker->turn, &error);
        if (end != END_NONE)
            refuse_client(worker->road, &job, end, error, true);
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
