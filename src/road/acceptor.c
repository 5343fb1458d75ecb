#include "road/acceptor.h"

#include <errno.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sockopt.h"
#include "base/stats.h"
#include "listen/accept_failure.h"
#include "listen/own.h"
#include "road/admit.h"
#include "road/exchanges.h"
#include "road/full.h"
#include "road/shortage.h"
#include "road/refuse.h"

#define PAUSE_MIN (10 * USEC_PER_MSEC) /* after an error of ours, doubled each time */
#define PAUSE_MAX USEC_PER_SEC

/* acceptor_moves. At the first look somebody may just have come. */
#define STUCK_LOOKS 3

enum { STANDING, GOING }; /* the event of an acceptor */

static bool is_stopping(const struct acceptor *acceptor) {
    return atomic_load(&acceptor->ending) || atomic_load(&acceptor->road->stop_accept);
}

/* A wait that acceptor_free ends. */
static void pause_for(struct acceptor *acceptor, usec_t span) {
    usec_t until = clock_now() + span;

    lock_acquire(&acceptor->lock);
    while (!is_stopping(acceptor) && cond_wait_until(&acceptor->stop, &acceptor->lock, until))
        atomic_fetch_add(&acceptor->beats, 1);
    lock_release(&acceptor->lock);
}

/* The route of this moment, with a reference. */
static struct route *get_route(struct acceptor *acceptor) {
    lock_acquire(&acceptor->lock);
    struct route *route = route_ref(acceptor->route);
    lock_release(&acceptor->lock);
    return route;
}

static void say_failed(struct acceptor *acceptor, int error) {
    struct route *route = get_route(acceptor);

    log_msg(MSG_ACCEPT_FAILED, "Listener %s cannot accept on %s: %s. It tries again.",
            route->config->name, acceptor->socket.text, strerrordesc_np(error));
    route_unref(route);
}

static void after_failure(struct acceptor *acceptor, int error, usec_t *pause) {
    switch (accept_failure_count(error)) {
    case ACCEPT_FAILURE_PEER:
        return;
    case ACCEPT_FAILURE_RESOURCES:
        shortage_log("accept a connection", error);
        break;
    case ACCEPT_FAILURE_OTHER:
        if (*pause == PAUSE_MIN)
            say_failed(acceptor, error);
        break;
    }
    pause_for(acceptor, *pause);
    *pause = *pause * 2 < PAUSE_MAX ? *pause * 2 : PAUSE_MAX;
}

static void begin_record(struct job *job, const struct acceptor *acceptor) {
    struct record *record = &job->record;
    struct road *road = acceptor->road;

    record->number =
        1 + atomic_fetch_add(
                road->link != NULL ? &road->link->table->head->accepted : &road->accepted, 1);
    record->accepted = clock_now();
    record->listen_addr = listen_socket_addr(&acceptor->socket);
    snprintf(record->listener, sizeof(record->listener), "%s", job->route->config->name);
    if (job->route->upstream != NULL)
        snprintf(record->upstream, sizeof(record->upstream), "%s",
                 job->route->upstream->config->name);
}

/* Nobody is let in any more. */
static bool is_acceptor_over(const struct acceptor *acceptor) {
    return is_stopping(acceptor) && clock_now() >= atomic_load(&acceptor->rest_until);
}

static void tell_full(struct acceptor *acceptor, struct gate *gate) {
    struct route *route = get_route(acceptor);

    full_tell(gate, gate == &acceptor->road->gate ? NULL : route->config->name);
    route_unref(route);
}

/* gate_wait_room, while clients that are silent before they were dialled for make room. lane: the
 * listener's, whose gate it is; NULL: the relay's. holds: a client has been accepted. */
static enum room await_room_at(struct acceptor *acceptor, struct gate *gate, struct lane *lane,
                               bool holds) {
    struct openings *openings = &acceptor->road->openings;
    bool full = gate_is_full(gate);

    if (full)
        openings_want(openings, lane);
    enum room room = gate_wait_room(gate, full_due(gate));
    if (full)
        openings_content(openings, lane);
    if (full && room == ROOM_NUDGED && full_is_untold(gate) &&
        (holds || fd_has_input(acceptor->socket.fd)))
        tell_full(acceptor, gate);
    return room;
}

/* Waits at a full gate if when_full says so. False: refuse. With several acceptors, another one may
 * have taken the room that this one had waited for before it accepted. */
static bool wait_at_gate(struct acceptor *acceptor, struct gate *gate, struct lane *lane) {
    struct openings *openings = &acceptor->road->openings;

    if (!atomic_load(&acceptor->waits) || is_acceptor_over(acceptor)) {
        openings_want(openings, lane); /* for the next one */
        openings_content(openings, lane);
        return false;
    }
    if (await_room_at(acceptor, gate, lane, true) == ROOM_CLOSED)
        return false;
    atomic_fetch_add(&acceptor->beats, 1);
    return true;
}

static bool awaits_leaver(const struct acceptor *acceptor, struct gate *gate,
                          struct leaver_wait *wait) {
    return !is_acceptor_over(acceptor) && gate_await_leaver(gate, wait);
}

/* END_NONE: the job has its seat. Else how it ends. *ret_in_gate, either way: it is in the relay's
 * gate. */
static enum end enter_gates(struct acceptor *acceptor, struct job *job, bool *ret_in_gate) {
    struct road *road = acceptor->road;
    enum end end = admit_peer(job);
    struct leaver_wait wait = {0}, listener_wait = {0};
    bool in_gate = false;

    while (end == END_NONE && !in_gate) {
        in_gate = gate_try_enter(&road->gate);
        if (!in_gate && !wait_at_gate(acceptor, &road->gate, NULL) &&
            !awaits_leaver(acceptor, &road->gate, &wait))
            end = END_MAX_CONNECTIONS;
    }
    while (end == END_NONE && !seat_enter(&job->has.seat, job->route->limit))
        if (!wait_at_gate(acceptor, &job->route->limit->gate, &job->route->limit->lane) &&
            !awaits_leaver(acceptor, &job->route->limit->gate, &listener_wait))
            end = END_LISTENER_FULL;
    *ret_in_gate = in_gate;
    if (end == END_NONE)
        return admit_client(job);
    bool full = end == END_MAX_CONNECTIONS || end == END_LISTENER_FULL;
    return full && atomic_load(&road->stop_accept) ? END_STOPPED : end;
}

/* END_NONE, or how it ends. */
static enum end enqueue_accepted(struct acceptor *acceptor, struct job *job) {
    struct road *road = acceptor->road;
    struct line *line = job->route->line;
    int r;

    /* Here, too, another one may have been quicker. And whoever frees this acceptor does not wait
     * until a worker is done with its dial. */
    while ((r = queue_push(&road->queue, line, job)) < 0) {
        bool stops = atomic_load(&road->stop_accept); /* then there will be no bound */

        if (r != -EAGAIN) {
            shortage_log("queue a connection", -r);
            return END_NO_PUMPS;
        }
        if (!stops && (!atomic_load(&acceptor->waits) || is_acceptor_over(acceptor)))
            return END_QUEUE_FULL;
        if (queue_wait_room(&road->queue, line) != ROOM_CLOSED)
            atomic_fetch_add(&acceptor->beats, 1);
    }
    return END_NONE;
}

/* END_NONE, or how it ends. */
static enum end push_to_openings(struct acceptor *acceptor, struct job *job) {
    struct road *road = acceptor->road;
    struct limit *limit = job->has.seat.limit;
    int r;

    while ((r = openings_push(&road->openings, job, atomic_load(&road->stop_accept))) < 0) {
        if (r != -EAGAIN) {
            shortage_log("read what a client sends first", -r);
            return END_NO_PUMPS;
        }
        if (!atomic_load(&acceptor->waits) || is_acceptor_over(acceptor))
            return END_QUEUE_FULL;
        if (openings_wait_room(&road->openings, &limit->lane) != ROOM_CLOSED)
            atomic_fetch_add(&acceptor->beats, 1);
    }
    return END_NONE;
}

/* In the line of its upstream, or its lane of the openings. */
static bool await_station_room(struct road *road, const struct route *route) {
    if (route_opens(route))
        return openings_wait_room(&road->openings, &route->limit->lane) == ROOM_THERE;
    return route->config->mode == MODE_HTTP ||
           queue_wait_room(&road->queue, route->line) == ROOM_THERE;
}

/* There, and in its own gate. */
static bool await_listener_room(struct acceptor *acceptor) {
    struct route *route = get_route(acceptor);
    struct road *road = acceptor->road;
    struct limit *limit = route->limit;
    bool there = await_station_room(road, route) &&
                 (!atomic_load(&acceptor->bounded) ||
                  await_room_at(acceptor, &limit->gate, &limit->lane, false) == ROOM_THERE);

    route_unref(route);
    return there;
}

/* While there is no room, clients wait in the kernel's backlog. False: look again at what there is
 * to do. */
static bool await_accept_room(struct acceptor *acceptor) {
    struct road *road = acceptor->road;

    return !atomic_load(&acceptor->waits) ||
           (await_room_at(acceptor, &road->gate, NULL, false) == ROOM_THERE &&
            await_listener_room(acceptor));
}

/* To the next station. END_NONE, or how it ends. */
static enum end let_on(struct acceptor *acceptor, struct job *job) {
    if (route_opens(job->route))
        return push_to_openings(acceptor, job);
    if (job->route->config->mode == MODE_HTTP)
        return exchanges_begin(acceptor->road, job);
    return enqueue_accepted(acceptor, job);
}

/* Takes one connection, and refuses it if it cannot go on. 0, or -errno of accept4(2). */
static int accept_one(struct acceptor *acceptor) {
    struct job job = {.has = HOLDINGS_NONE};
    struct addr *client = &job.record.client;
    bool in_gate;

    client->len = sizeof(client->u);
    job.has.client = accept4(acceptor->socket.fd, &client->u.sa, &client->len, SOCK_CLOEXEC);
    if (job.has.client < 0)
        return -errno;
    stats_add(STAT_accepted, 1);
    job.route = get_route(acceptor);
    if (acceptor->socket.untuned > 0) {
        acceptor->socket.untuned--;
        sockopt_set_client(job.has.client, job.route->config->keepalive);
    }
    begin_record(&job, acceptor);
    meter_add(&job.route->limit->accepted, LIMIT_RATE_PERIOD, job.record.accepted);
    enum end end = enter_gates(acceptor, &job, &in_gate);
    if (end == END_NONE)
        end = let_on(acceptor, &job);
    if (end != END_NONE)
        refuse_client(acceptor->road, &job, end, job.record.error, in_gate);
    return 0;
}

/* More may come from a retired socket, after accept4(2) has failed with this error (0: has not). A
 * unix socket that was shut gives what waits in it, and then EINVAL. */
static bool more_comes(const struct acceptor *acceptor, int error) {
    if (addr_is_unix(&acceptor->socket.addr))
        return error != EINVAL;
    return !atomic_load(&acceptor->settled) || listen_socket_count_waiting(acceptor->socket.fd) > 0;
}

/* Who had come before is still served. */
static void accept_rest(struct acceptor *acceptor) {
    struct timespec pause = clock_timespec(PAUSE_MIN);
    int r = 0;

    while (!is_acceptor_over(acceptor) && more_comes(acceptor, -r)) {
        r = accept_one(acceptor);
        if (r < 0 && r != -EINTR && r != -EINVAL &&
            accept_failure_count(-r) == ACCEPT_FAILURE_RESOURCES)
            (void)nanosleep(&pause, NULL);
    }
}

static void acceptor_thread(void *arg) {
    struct acceptor *acceptor = arg;
    usec_t pause = PAUSE_MIN;

    thread_lighten();
    (void)event_wait(&acceptor->go, STANDING);
    while (!is_stopping(acceptor)) {
        atomic_fetch_add(&acceptor->beats, 1);
        if (!await_accept_room(acceptor))
            continue;
        int r = accept_one(acceptor);
        if (r == 0)
            pause = PAUSE_MIN;
        else if (r != -EINTR && !is_stopping(acceptor))
            after_failure(acceptor, -r, &pause);
    }
    accept_rest(acceptor);
}

struct acceptor *acceptor_new(struct road *road, struct listen_socket *socket) UNCHECKED {
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

    if (acceptor == NULL)
        return NULL;
    acceptor->road = road;
    acceptor->kept = -1;
    acceptor->socket = *socket;
    *socket = (struct listen_socket){.fd = -1};
    lock_init(&acceptor->lock, RANK_LEAF);
    cond_init(&acceptor->stop);
    own_add(acceptor->socket.fd);
    atomic_init(&acceptor->beats, 1); /* the first look may come before its thread has begun */
    return acceptor;
}

static void name_thread(const struct route *route, char name[16]) {
    snprintf(name, 16, "acc:%.11s", route->config->name);
}

int acceptor_start(struct acceptor *acceptor, struct route *route) {
    char name[16];

    name_thread(route, name);
    acceptor_use(acceptor, route);
    return thread_start(&acceptor->thread, name, NULL, acceptor_thread, acceptor);
}

void acceptor_wake(struct acceptor *acceptor) {
    event_set(&acceptor->go, GOING);
}

void acceptor_go(struct acceptor *acceptor) {
    struct listen_description description;

    if (acceptor->socket.inherited) {
        link_keep_listener(acceptor->road->link, acceptor->socket.index, acceptor->socket.fd);
        acceptor->kept = acceptor->socket.index;
        acceptor->socket.inherited = false;
    }
    if (acceptor->road->link != NULL && acceptor->kept < 0 &&
        listen_socket_describe(&acceptor->socket, acceptor->serves->config, &description))
        acceptor->kept =
            link_hold_listener(acceptor->road->link, acceptor->socket.fd, &description);
    acceptor_wake(acceptor);
}

void acceptor_use(struct acceptor *acceptor, struct route *route) {
    const struct global_config *global = &route->generation->config->global;
    char name[16];

    lock_acquire(&acceptor->lock);
    struct route *old = acceptor->route;
    acceptor->route = route_ref(route);
    acceptor->serves = route;
    lock_release(&acceptor->lock);
    atomic_store(&acceptor->waits, global->when_full == WHEN_FULL_WAIT);
    atomic_store(&acceptor->bounded, route->config->max_connections > 0);
    if (old == NULL)
        return;
    name_thread(route, name); /* the listener's, which may have another one now */
    (void)pthread_setname_np(acceptor->thread.id, name);
    route_unref(old);
}

/* Who waits for room comes round when it is nudged, and then looks for those who have come. A nudge
 * may be lost, just before the wait that it should end; two are not, unless the thread has been
 * held up from one to the other. */
bool acceptor_moves(struct acceptor *acceptor) {
    unsigned beats = atomic_load(&acceptor->beats);
    bool stands = beats == acceptor->seen_beats && fd_has_input(acceptor->socket.fd);

    acceptor->stands = stands ? acceptor->stands + 1 : 0;
    acceptor->seen_beats = beats;
    lock_acquire(&acceptor->lock);
    cond_signal(&acceptor->stop);
    lock_release(&acceptor->lock);
    return acceptor->stands < STUCK_LOOKS;
}
