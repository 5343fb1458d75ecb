#include "relay/relay.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "base/text.h"
#include "conn/sweep.h"
#include "listen/own.h"
#include "relay/steer.h"
#include "road/acceptor.h"
#include "road/exchanges.h"
#include "road/hear.h"
#include "road/worker.h"

/* How long clients that have come to a socket which is given up are let in, at most: their
 * handshakes may be under way. A packet that is lost in one is sent again after a second (RFC 6298,
 * 2). */
#define ACCEPT_REST (1500 * USEC_PER_MSEC)
/* How long those wait in a restart for whom servers have no room: whoever has it keeps it in the
 * next process. */
#define LEAVE_PATIENCE USEC_PER_SEC
#define NUDGE_AGAIN    (10 * USEC_PER_MSEC) /* while the end of openers is waited for */

static void nudge_all(void *arg) {
    relay_nudge(arg);
}

struct relay *relay_new(void (*on_empty)(void *arg), void *arg) {
    struct relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL)
        return NULL;
    if (!exchanges_init(&relay->road)) {
        free(relay);
        return NULL;
    }
    queue_init(&relay->road.queue, spares_add, &relay->spares);
    spares_init(&relay->spares, &relay->road);
    lock_init(&relay->current_lock, RANK_LEAF);
    SLIST_INIT(&relay->retired);
    limit_list_init(&relay->limits);
    TAILQ_INIT(&relay->acceptors);
    TAILQ_INIT(&relay->leaving);
    TAILQ_INIT(&relay->workers);
    gate_init(&relay->road.gate, 1, on_empty, arg);
    gate_init(&relay->road.refused, 1, NULL, NULL);
    openings_init(&relay->road.openings, hear_opening, &relay->road);
    own_init();
    registry_init(&relay->road.registry);
    pipe_pool_init(&relay->road.pipes, 1);
    pump_pool_init(&relay->road.pumps);
    leg_pool_init(&relay->road.legs);
    relay->heritage = heritage_none();
    relay->road.nudge = nudge_all;
    relay->road.arg = relay;
    return relay;
}

static void join_ended_workers(struct relay *relay) {
    struct worker *worker = TAILQ_FIRST(&relay->workers);

    while (worker != NULL) {
        struct worker *next = TAILQ_NEXT(worker, entry);

        if (atomic_load(&worker->ended)) {
            TAILQ_REMOVE(&relay->workers, worker, entry);
            worker_free(worker);
        }
        worker = next;
    }
}

static size_t count_workers(const struct relay *relay) {
    const struct worker *worker;
    size_t n = 0;

    TAILQ_FOREACH(worker, &relay->workers, entry)
        n++;
    return n;
}

static void nudge_limits(const struct generation *generation) {
    for (size_t i = 0; i < generation->config->n_listeners; i++)
        gate_nudge(&generation->routes[i].limit->gate);
}

/* An acceptor waits at the limit of the route that it had when it began to wait, and holds a
 * reference to that: its generation is among these. */
void relay_nudge(struct relay *relay) {
    const struct generation *generation;

    gate_nudge(&relay->road.gate);
    queue_nudge(&relay->road.queue);
    openings_nudge(&relay->road.openings);
    if (relay->current != NULL)
        nudge_limits(relay->current);
    SLIST_FOREACH(generation, &relay->retired, entry)
        nudge_limits(generation);
}

/* Those that nobody uses, nor any one before them: a job may go from one to those after it
 * (route_follow). The list begins with the last one. */
static void free_old(struct relay *relay) {
    struct generation *generation, *used = NULL;

    SLIST_FOREACH(generation, &relay->retired, entry)
        if (!generation_unused(generation))
            used = generation;
    while ((generation = used != NULL ? SLIST_NEXT(used, entry) : SLIST_FIRST(&relay->retired)) !=
           NULL) {
        SLIST_REMOVE(&relay->retired, generation, generation, entry);
        generation_free(generation);
    }
}

/* tidy_nudge: who waits for room under an old configuration may have to reject under the new one.
 * An acceptor that had just read when_full, and not yet begun to wait, does not hear this nudge,
 * but the next. */
bool relay_tidy(struct relay *relay) {
    relay_nudge(relay);
    free_old(relay);
    join_ended_workers(relay);
    return !SLIST_EMPTY(&relay->retired) || count_workers(relay) > relay->n_workers;
}

void relay_describe(struct relay *relay, char *buf, size_t size) {
    const struct generation *now = relay->current;

    for (size_t i = 0; i < now->config->n_upstreams; i++) {
        size_t n = queue_count_full(&relay->road.queue, now->lines[i]);

        if (n > 0)
            text_append(buf, size, " %zu connection%s for room at the servers of %s.", n,
                        n == 1 ? " waits" : "s wait", now->config->upstreams[i].name);
    }
    upstreams_describe(now->upstreams, buf, size);
}

void relay_note_reload(struct relay *relay, bool good) {
    if (good)
        atomic_store(&relay->succeeded, time(NULL));
    atomic_store(&relay->refused, !good);
}

struct reload_result relay_last_reload(const struct relay *relay) {
    return (struct reload_result){.good = !atomic_load(&relay->refused),
                                  .succeeded = (time_t)atomic_load(&relay->succeeded)};
}

struct config *relay_config(const struct relay *relay) {
    return relay->current->config;
}

struct generation *relay_hold(struct relay *relay) {
    lock_acquire(&relay->current_lock);
    struct generation *generation = relay->current;
    if (generation != NULL)
        generation_ref(generation);
    lock_release(&relay->current_lock);
    return generation;
}

void relay_let_go(struct generation *generation) {
    if (generation != NULL)
        generation_unref(generation);
}

const struct link *relay_link(const struct relay *relay) {
    return relay->road.link;
}

size_t relay_count_live(struct relay *relay) {
    return gate_live(&relay->road.gate);
}

/* What the keeper holds when another relayd goes on is not to end. */
static void drain_idle_conns(struct relay *relay, enum link_end end) {
    usec_t idle = relay->current->config->global.drain_idle;
    unsigned epoch = end == LINK_LEAVE ? atomic_load(&relay->road.link->epoch) : 0;

    if (idle > 0)
        sweep_drain(&relay->road.registry, idle, epoch);
}

static size_t end_accepting(struct relay *relay, usec_t patience, enum link_end end) {
    usec_t until =
        patience > 0 ? clock_now() + (patience < ACCEPT_REST ? patience : ACCEPT_REST) : 0;

    adopter_join(&relay->adopter);
    if (patience > 0)
        drain_idle_conns(relay, end);
    TAILQ_CONCAT(&relay->acceptors, &relay->leaving, entry);
    acceptor_retire_all(&relay->acceptors, until, end);
    atomic_store(&relay->road.stop_accept, true);
    if (relay->road.link != NULL && end == LINK_FORGET)
        link_let_end(relay->road.link);
    queue_unbind(&relay->road.queue);
    openings_hurry(&relay->road.openings);
    acceptor_await_all(&relay->acceptors, until);
    acceptor_free_all(&relay->acceptors, end);
    return gate_close(
        &relay->road.gate); /* after the acceptors: what they have accepted is still served */
}

size_t relay_drain(struct relay *relay, usec_t patience) {
    return end_accepting(relay, patience, LINK_FORGET);
}

void relay_open(struct relay *relay) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &relay->acceptors, entry)
        acceptor_go(acceptor);
    TAILQ_FOREACH(acceptor, &relay->leaving, entry)
        if (acceptor->socket.inherited)
            acceptor_go(acceptor);
    if (TAILQ_EMPTY(&relay->leaving))
        return;
    usec_t until = clock_now() + ACCEPT_REST;
    acceptor_retire_all(&relay->leaving, until, LINK_FORGET);
    acceptor_await_all(&relay->leaving, until);
    acceptor_free_all(&relay->leaving, LINK_FORGET);
    if (relay->road.link != NULL)
        link_sync(relay->road.link); /* then the addresses are free for whoever comes next */
}

void relay_leave(struct relay *relay) {
    queue_bound_full(&relay->road.queue, LEAVE_PATIENCE);
    (void)end_accepting(relay, ACCEPT_REST, LINK_LEAVE);
}

bool relay_is_dialling(struct relay *relay) {
    if (openings_count(&relay->road.openings) > 0)
        return true;
    if (sweep_count_exchanges(&relay->road.registry) > 0) { /* they may need servers yet */
        long of_exchanges = atomic_load(&relay->road.exchange_dials);

        return (long)queue_count_jobs(&relay->road.queue) > of_exchanges;
    }
    queue_close(&relay->road.queue); /* workers end when it is empty */
    join_ended_workers(relay);
    return spares_tidy(&relay->spares) || !TAILQ_EMPTY(&relay->workers);
}

/* Those of whom the keeper was to be told together with a leg. */
static unsigned hold_missing(struct relay *relay) {
    unsigned epoch = atomic_load(&relay->road.link->epoch);

    if (epoch != 0)
        sweep_hold_missing(&relay->road.registry, epoch);
    return epoch;
}

size_t relay_count_unheld(struct relay *relay) {
    return sweep_count_unheld(&relay->road.registry, hold_missing(relay));
}

/* Openers may wait for room in the queue. */
static void end_openers(struct relay *relay) {
    while (!openings_stop_until(&relay->road.openings, clock_now() + NUDGE_AGAIN))
        queue_nudge(&relay->road.queue);
}

/* Openings, dials and waits for names end at once. */
static void end_workers(struct relay *relay) {
    struct generation *generation;
    struct worker *worker;

    atomic_store(&relay->road.stop_now, true);
    end_openers(relay);
    queue_close(&relay->road.queue);
    queue_hurry(&relay->road.queue);
    if (relay->current != NULL)
        upstreams_cancel(relay->current->upstreams);
    SLIST_FOREACH(generation, &relay->retired, entry)
        upstreams_cancel(generation->upstreams);
    while ((worker = TAILQ_FIRST(&relay->workers)) != NULL) {
        TAILQ_REMOVE(&relay->workers, worker, entry);
        worker_free(worker);
    }
    spares_end(&relay->spares);
    usher_stop(&relay->usher);
}

bool relay_rest(struct relay *relay, bool forced) {
    if (!sweep_to_rest(&relay->road.registry, hold_missing(relay), forced))
        return false;
    end_workers(relay);
    return true;
}

void relay_park(struct relay *relay) {
    sweep_abort_unheld(&relay->road.registry, hold_missing(relay), END_STOPPED);
    atomic_store(&relay->road.link->table->head->parked, clock_now());
    atomic_store(&relay->road.registry.parks, true);
    pump_pool_park(&relay->road.pumps);
}

/* Workers and dials end at once, pumps as soon as they notice. */
static void cut_relay(struct relay *relay, enum link_end end) {
    end_workers(relay);
    if (end == LINK_FORGET)
        sweep_abort(&relay->road.registry, NULL, END_STOPPED);
}

/* The last references to conns may be its thread's. */
static struct table *end_link(struct relay *relay, enum link_end end) {
    heritage_free(&relay->heritage);
    if (relay->road.link == NULL)
        return NULL;
    struct table *table = relay->road.link->table;
    link_stop(relay->road.link, end);
    stats_use(NULL);
    steer_end();
    tickets_end();
    if (end == LINK_FORGET)
        explicit_bzero(&table->head->tickets, sizeof(table->head->tickets));
    link_free(relay->road.link);
    free(relay->road.link);
    return table;
}

void relay_watch_certificates(struct relay *relay) {
    renewal_use(&relay->renewal, relay->current->config, RENEWAL_INTERVAL);
}

struct table *relay_free(struct relay *relay, enum link_end end) {
    struct generation *generation;

    if (relay == NULL)
        return NULL;
    (void)end_accepting(relay, 0, end);
    cut_relay(relay, end);
    renewal_stop(&relay->renewal);
    reaper_stop(&relay->reaper);           /* it trims the pump pool */
    pump_pool_destroy(&relay->road.pumps); /* waits for the last pump, and so for the last conn */
    leg_pool_destroy(&relay->road.legs);
    exchanges_destroy(&relay->road);
    while ((generation = SLIST_FIRST(&relay->retired)) != NULL) {
        SLIST_REMOVE_HEAD(&relay->retired, entry);
        generation_free(generation);
    }
    generation_free(relay->current);
    struct table *table = end_link(
        relay, end); /* after whoever may hold a reference to a conn: the health checkers */
    limit_list_clear(&relay->limits);
    openings_destroy(&relay->road.openings);
    queue_destroy(&relay->road.queue);
    spares_destroy(&relay->spares);
    pipe_pool_destroy(&relay->road.pipes);
    registry_destroy(&relay->road.registry);
    gate_destroy(&relay->road.refused);
    gate_destroy(&relay->road.gate);
    lock_destroy(&relay->current_lock);
    free(relay->keeper);
    free(relay);
    return table;
}
