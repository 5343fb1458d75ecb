#include "relay/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stats.h"
#include "relay/admit.h"
#include "relay/dial.h"
#include "relay/exhausted.h"
#include "relay/greet.h"
#include "relay/refuse.h"

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
    case DIAL_STOPPED:
        return END_STOPPED;
    case DIAL_NO_SOCKET:
    case DIAL_OK:
    default:
        return END_NO_SOCKET;
    }
}

/* Both sockets are there: find a pair of pumps for them. On failure the job still holds all. */
static int hand_over(struct relay *relay, struct job *job) {
    struct pump_pair *pair;
    int r = pump_pool_get(&relay->pumps, &pair);

    if (r < 0)
        return r;
    struct member *member = member_ref(job->has.member); /* the conn may give its own back */
    struct conn *conn = conn_new(&job->record, &job->route->options, &relay->registry, &relay->gate,
                                 &relay->pipes, relay->link, &job->has);
    if (conn == NULL) {
        member_unref(member);
        pump_pool_put(&relay->pumps, pair);
        return -ENOMEM;
    }
    stats_add(STAT_relayed, 1);
    if (conn->kept_by != NULL)
        link_hold(relay->link, conn);
    /* Its server may have been found down during the dial, when this was no connection yet. */
    if (job->route->upstream->config->on_down == ON_DOWN_RESET && atomic_load(&member->down))
        conn_abort(conn, END_SERVER_DOWN, 0);
    member_unref(member);
    pump_pool_run(pair, conn);
    return 0;
}

/* What was wrong with a PROXY header. */
struct bad_header {
    char listener[CONFIG_NAME_MAX];
    struct addr sender;
    char why[128];
};

static void format_bad_header(struct log_line *line, const void *payload) {
    const struct bad_header *bad = payload;
    char sender[ADDR_TEXT_MAX];

    log_line_text(line, "Listener %s refuses a connection from %s, which is in proxy_from: %s.",
                  bad->listener, addr_format(&bad->sender, sender, sizeof(sender)), bad->why);
}

static void format_more_bad_headers(struct log_line *line, const void *last, unsigned long count) {
    const struct bad_header *bad = last;

    log_line_text(
        line,
        "%lu more PROXY headers were refused within a second; the last one on listener %s: %s.",
        count, bad->listener, bad->why);
    log_line_field(line, "RELAYD_COUNT", "%lu", count);
}

/* A balancer that is set up wrongly sends many. */
static void say_header_bad(const struct job *job, const char *why) {
    static const struct log_group group = {LOG_GROUP_COUNT - 1, 100, MSG_PROXY_HEADER,
                                           format_more_bad_headers};
    struct bad_header bad = {.sender = job->record.peer};

    _Static_assert(END_COUNT < LOG_GROUP_COUNT, "the last group is no end's (record.c)");
    memcpy(bad.listener, job->record.listener, sizeof(bad.listener));
    snprintf(bad.why, sizeof(bad.why), "%s", why);
    log_event_grouped(MSG_PROXY_HEADER, format_bad_header, &bad, sizeof(bad), &group);
}

/* Reads the PROXY header, if the listener asks for one, and counts the client that it names. False: refused. */
static bool identify(struct relay *relay, struct job *job) {
    const struct listener_config *config = job->route->config;
    const char *why = NULL;

    if (config->accept_proxy == PROXY_OFF)
        return true;
    job->record.peer = job->record.client;
    int end = greet_read(job, &relay->stop_now, &why);
    if (end == 0)
        end = admit_named(job);
    if (why != NULL)
        say_header_bad(job, why);
    if (end == 0)
        return true;
    refuse(relay, job, (enum end)end, 0, true);
    return false;
}

static void serve(struct relay *relay, struct job *job, struct turn *turn) {
    const struct route *route = job->route;

    job->record.popped = clock_now();
    if (atomic_load(&relay->stop_now)) {
        refuse(relay, job, END_STOPPED, 0, true);
        return;
    }
    if (job->record.popped - job->record.queued > route->generation->config->global.queue_timeout) {
        refuse(relay, job, job->full_since != 0 ? END_SERVERS_FULL : END_QUEUE_TIMEOUT, 0, true);
        return;
    }
    if (!identify(relay, job))
        return;
    enum dial_outcome outcome = dial(job, turn, &relay->stop_now);
    if (outcome == DIAL_FULL && job->full_since == 0)
        stats_add(STAT_waited_servers_full, 1);
    if (outcome == DIAL_FULL && queue_put_back(&relay->queue, turn, job))
        return;
    job->record.dialled = clock_now();
    if (outcome != DIAL_OK) {
        exhausted_say("dial a server", job->record.error);
        refuse(relay, job, end_of_dial(outcome), job->record.error, true);
        return;
    }
    int r = hand_over(relay, job);
    if (r == 0) {
        turn->outcome = TURN_FOUND;
    } else {
        exhausted_say("start the threads of a connection", -r);
        refuse(relay, job, END_NO_PUMPS, -r, true);
    }
}

static void worker_thread(void *arg) {
    struct worker *worker = arg;
    struct job job;

    thread_lighten();
    while (queue_pop(&worker->relay->queue, &worker->turn, &job)) {
        serve(worker->relay, &job, &worker->turn);
        if (job.route != NULL) /* else it was put back */
            route_unref(job.route);
    }
    atomic_store(&worker->ended, true);
}

static const char *kind(const struct worker *worker) {
    return worker->turn.spare ? "spare" : "worker";
}

int worker_start(struct relay *relay, size_t number, bool spare, struct worker **ret_worker) {
    struct worker *worker = calloc(1, sizeof(*worker));
    char name[16];

    if (worker == NULL)
        return -ENOMEM;
    worker->relay = relay;
    worker->number = number;
    worker->turn.spare = spare;
    snprintf(name, sizeof(name), "%s-%zu", kind(worker), number % 10000);
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
    snprintf(ret_what, size, "%s-%zu does not take its job", kind(worker), worker->number);
    return false;
}
