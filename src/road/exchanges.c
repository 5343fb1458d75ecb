#include "road/exchanges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/prefix.h"
#include "base/stats.h"
#include "conn/adopt_bytes.h"
#include "conn/exchange.h"
#include "road/choose.h"
#include "road/enqueue.h"
#include "road/generation.h"
#include "road/reuse.h"
#include "road/shortage.h"
#include "upstream/orders.h"
#include "upstream/upstream.h"
#include "wire/proxy_tls.h"

static bool is_trusted(const struct exchange *exchange, const struct conn *conn) {
    const struct prefix_set *trusted = exchange->config->trusted;

    return trusted != NULL && prefix_set_find(trusted, &conn->state->record.client) >= 0;
}

static void renew_config(void *arg, struct exchange *exchange) {
    struct route *newest = route_newest(exchange->route);

    (void)arg;
    if (newest == exchange->route)
        return;
    struct route *former = exchange->route;
    exchange->route = route_ref(newest);
    exchange->config = newest->config;
    exchange->named_by = NULL; /* compared, never followed: another one may come to lie there */
    exchange->looked_route = NULL;
    exchange->trusted = is_trusted(exchange, exchange->conn);
    route_unref(former);
}

static const void *upstream_of(void *arg, const struct exchange *exchange,
                               const struct route_config *section) {
    (void)arg;
    return choose_branch(exchange, section)->line; /* it outlives reloads, with its name */
}

/* Looked at again after so long: names may have moved. */
#define LEG_LOOKED USEC_PER_SEC

static bool keeps_leg(void *arg, struct exchange *exchange, const struct route_config *section) {
    struct route *route = choose_branch(exchange, section);
    usec_t now = clock_coarse();
    uint64_t orders = orders_changes();

    (void)arg;
    if (exchange->looked_route == route && exchange->looked_orders == orders &&
        now - exchange->looked < LEG_LOOKED)
        return true;
    struct member *member = conn_member(exchange->conn);
    bool keeps = member != NULL && upstream_keeps(route->upstream, member);
    member_unref(member);
    exchange->looked = now;
    exchange->looked_orders = orders;
    exchange->looked_route = keeps ? route : NULL;
    return keeps;
}

static void count(_Atomic uint64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void count_answer(void *arg, const struct exchange *exchange, int status, bool own) {
    int class = status / 100 - 1;

    (void)arg;
    if (class < 0 || class >= LIMIT_STATUS_CLASSES)
        return;
    count(&exchange->route->limit->answered[own][class]);
    if (exchange->request != NULL && exchange->request->route != NULL) {
        struct route_count *of_route = choose_branch(exchange, exchange->request->route)->count;

        if (of_route != NULL)
            count(&of_route->answered[class]);
    }
    if (!own && exchange->leg_member != NULL)
        count(&exchange->leg_member->answered[class]);
}

static void count_times(void *arg, const struct exchange *exchange) {
    const struct request_record *note = exchange->request->note;
    const struct upstream *upstream = choose_branch(exchange, exchange->request->route)->upstream;
    struct limit *limit = exchange->route->limit;
    usec_t waited = request_record_span(note->headed, note->answered);

    (void)arg;
    histogram_add(&limit->requests, request_record_span(note->begun, note->whole));
    if (note->answered == 0)
        return;
    histogram_add(&limit->first_bytes, waited);
    if (upstream != NULL)
        histogram_add(&upstream->bulletin->first_bytes, waited);
}

static void leave_exchange(void *arg, struct exchange *exchange) {
    (void)arg;
    if (exchange->route != NULL)
        route_unref(exchange->route);
    exchange->route = NULL;
    exchange->config = NULL;
}

void exchanges_deliver(struct job *job, enum end end, int error) {
    struct exchange *exchange = job->exchange;
    struct conn *conn = exchange->conn;

    job->exchange = NULL;
    member_unref(job->wanted);
    member_unref(job->mute);
    job->wanted = job->mute = NULL;
    /* Its server may have gone down during the dial, when it was no connection's yet. */
    if (end == END_NONE && upstream_resets(job->route->upstream, job->has.member))
        end = END_SERVERS_DOWN;
    bool refused = end != END_NONE && end != END_CLIENT_RESET;

    if (refused)
        meter_add(&job->route->limit->refused[end], LIMIT_REFUSED_PERIOD, clock_coarse());
    else if (end == END_NONE)
        reuse_count_relayed(exchange);
    struct road *road = exchange->road->arg;
    exchange_dialled(exchange, end, error, &job->has, &job->record);
    atomic_fetch_sub(&road->exchange_dials, 1);
    holdings_give_back(&job->has);
    conn_unref(conn);
    route_unref(job->route);
    job->route = NULL;
}

static void dial_for(void *arg, struct exchange *exchange, const struct route_config *section) {
    struct conn *conn = exchange->conn;
    struct job job = {.has = HOLDINGS_NONE, .exchange = exchange};
    struct road *road = arg;

    lock_acquire(&conn->registry->lock);
    job.record = conn->state->record;
    lock_release(&conn->registry->lock);
    job.record.attempts = 0;
    job.wanted = exchange->wanted != NULL ? member_ref(exchange->wanted) : NULL;
    job.mute = exchange->mute != NULL ? member_ref(exchange->mute) : NULL;
    job.route = route_ref(choose_branch(exchange, section));
    reuse_note_dial(exchange, job.route);
    snprintf(job.record.upstream, sizeof(job.record.upstream), "%s",
             job.route->upstream->config->name);
    job.has.client = conn->fd[SIDE_CLIENT]; /* lent: a dial to this relayd itself looks at it */
    job.has.shown = exchange->shown;
    exchange->shown = NULL;
    conn_ref(conn); /* until it is delivered */
    enum end end = enqueue_job(road, &job);
    atomic_fetch_add(&road->exchange_dials, 1); /* it may be delivered already */
    if (end != END_NONE)
        exchanges_deliver(&job, end, 0);
}

bool exchanges_init(struct road *road) {
    road->key = siphash_key_new();
    road->exchanges =
        (struct exchange_road){.renew = renew_config,
                               .upstream = upstream_of,
                               .keeps = keeps_leg,
                               .choose = choose_for,
                               .name_server = choose_name_server,
                               .dial = dial_for,
                               .shares = reuse_shares,
                               .take = reuse_take,
                               .answered = count_answer,
                               .over = count_times,
                               .leave = leave_exchange,
                               .arg = road,
                               .key = &road->key,
                               .legs = &road->legs,
                               .nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return road->exchanges.nowhere >= 0;
}

void exchanges_destroy(struct road *road) {
    fd_close(&road->exchanges.nowhere);
}

/* Stands for the server until there is one: one_leg in conn/exchange.h. */
static int lead_nowhere(const struct road *road, struct job *job) {
    job->has.server = dup(road->exchanges.nowhere);
    return job->has.server < 0 ? -errno : 0;
}

/* Takes what the job holds. NULL: no memory or no descriptor, and nothing is taken; *ret_error. */
static struct conn *make_conn_for(struct road *road, struct job *job, struct exchange *exchange,
                                  int *ret_error) {
    struct proxy_certificate *shown = NULL; /* each server is told anew */
    struct conn *conn = NULL;

    *ret_error = -ENOMEM;
    if (job->has.shown != NULL) {
        shown = malloc(sizeof(*shown));
        if (shown == NULL)
            return NULL;
        *shown = *job->has.shown;
    }
    int r = lead_nowhere(road, job);
    if (r == 0)
        conn = conn_new(&job->record, &job->route->options, &road->registry, &road->gate,
                        &road->pipes, road->link, &job->has);
    if (conn != NULL) {
        exchange->shown = shown;
        return conn;
    }
    if (r < 0)
        *ret_error = r;
    free(shown);
    fd_close(&job->has.server);
    return NULL;
}

static int start_exchange(struct road *road, struct job *job) {
    const struct listener_config *config = job->route->config;
    struct pump_pair *pair;
    int r = pump_pool_get(&road->pumps, &pair);

    if (r < 0)
        return r;
    struct exchange *exchange = exchange_new(&road->exchanges, route_ref(job->route), config);
    struct conn *conn = NULL;
    r = -ENOMEM;
    if (exchange != NULL)
        conn = make_conn_for(road, job, exchange, &r);
    else
        route_unref(job->route);
    if (conn == NULL) {
        exchange_free(exchange);
        pump_pool_put(&road->pumps, pair);
        return r;
    }
    exchange->trusted = is_trusted(exchange, conn);
    exchange_join(exchange, conn);
    pump_pool_run(pair, conn); /* the keeper is told of it with its leg, or as it waits */
    return 0;
}

/* What its client has shown, for each leg. */
static bool show_again(struct exchange *exchange, const struct proxy_certificate *shown) {
    exchange->shown = malloc(sizeof(*exchange->shown));
    if (exchange->shown == NULL)
        return false;
    *exchange->shown = *shown;
    return true;
}

/* The leg that it has goes on with it, if something is under way: exchanges_leave_leg. */
static void adopt_leg(struct exchange *exchange, const struct route *route, struct conn *conn) {
    const struct passages *passages = conn->passages;
    struct record *record = &conn->state->record;
    const struct passage_mark *down = passage_now(&passages->way[DIR_DOWN]);
    bool marked = down->exchange.leg == passages->leg.cookie;

    record->header = passage_now(&passages->way[DIR_UP])->read; /* the streams count from here */
    record->server_header = marked ? down->read : passages->leg.read;
    if (!exchange_was_under_way(passages) || !passage_leg_is(passages, conn->fd[SIDE_SERVER]))
        return;
    exchange->leg_upstream = generation_line(route->generation, record->upstream);
    exchange->leg_member = conn_member(conn);
}

void exchanges_leave_leg(const struct road *road, struct conn *conn) {
    if (passage_leg_is(conn->passages, conn->fd[SIDE_SERVER])) /* else it is another one's */
        (void)shutdown(conn->fd[SIDE_SERVER], SHUT_RDWR);
    (void)dup3(road->exchanges.nowhere, conn->fd[SIDE_SERVER], O_CLOEXEC);
}

bool exchanges_adopt(struct road *road, struct route *route, struct conn *conn) UNCHECKED {
    struct exchange *exchange = exchange_new(&road->exchanges, route_ref(route), route->config);

    if (exchange == NULL) {
        route_unref(route);
        return false;
    }
    if (conn->passages->has_shown &&
        !show_again(exchange, &conn->hold.link->table->shown[conn->hold.slot])) {
        exchange_free(exchange);
        return false;
    }
    adopt_leg(exchange, route, conn);
    exchange->trusted = is_trusted(exchange, conn);
    exchange_join(exchange, conn);
    exchange->resumes = true;
    exchange->resumes_ended = conn->state->aborted || conn->state->flow[DIR_DOWN].ended;
    return true;
}

enum end exchanges_begin(struct road *road, struct job *job) {
    int r = start_exchange(road, job);

    if (r < 0) {
        shortage_log("start the threads of a connection", -r);
        job->record.error = -r;
        return END_NO_PUMPS;
    }
    route_unref(job->route);
    job->route = NULL;
    return END_NONE;
}
