/* Putting a configuration in force: first everything that can fail, with nothing changed for
 * anybody; then the changes, which cannot. The first start is the same as a reload that finds
 * nothing to keep. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conn/sweep.h"
#include "listen/listen_wishes.h"
#include "relay/apply.h"
#include "relay/steer.h"
#include "road/acceptor.h"
#include "road/worker.h"

/* How long a place is waited for, where nothing else says, that may belong to somebody who has
 * ended: a client that ends its connection and comes back is often quicker than the pump that is to
 * note the end. */
#define PLACE_PATIENCE (100 * USEC_PER_MSEC)

enum apply_outcome apply_fail(struct apply *apply, enum apply_outcome outcome, int error,
                              const char *what) {
    if (apply->what == NULL && asprintf(&apply->what, "%s: %s.", what, strerrordesc_np(error)) < 0)
        apply->what = NULL;
    return outcome;
}

static bool number_taken(const struct relay *relay, size_t number) {
    const struct worker *worker;

    TAILQ_FOREACH(worker, &relay->workers, entry)
        if (worker->number == number)
            return true;
    return false;
}

/* As many as the configuration has more, counting those that have been told to end and have not yet
 * heard it. */
static int add_workers(struct apply *apply) {
    struct relay *relay = apply->relay;
    size_t wanted = (size_t)apply->config->global.workers, number = 1;

    (void)relay_tidy(relay); /* the numbers of those that have ended are free again */
    if (relay->n_workers < wanted)
        apply->n_workers = queue_recall(&relay->road.queue, wanted - relay->n_workers);
    relay->n_workers += apply->n_workers;
    while (relay->n_workers < wanted) {
        struct worker *worker;

        while (number_taken(relay, number))
            number++;
        int r = worker_start(&relay->road, number, false, &worker);
        if (r < 0)
            return r;
        TAILQ_INSERT_TAIL(&relay->workers, worker, entry);
        relay->n_workers++;
        apply->n_workers++;
    }
    return 0;
}

static void drop_workers(struct relay *relay, size_t n) {
    relay->n_workers -= n;
    queue_dismiss(&relay->road.queue, n);
}

static enum apply_outcome prepare_threads(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor;
    int r = 0;

    if (!relay->reaper.thread.running)
        r = reaper_start(&relay->reaper, &relay->road.registry, &relay->road.pumps,
                         &relay->road.legs);
    if (r == 0 && !relay->usher.thread.running)
        r = usher_start(&relay->usher, &relay->road, &relay->spares);
    if (r == 0 && generation_count_opening(apply->generation) > 0)
        r = openings_begin(&relay->road.openings);
    if (r == 0)
        r = add_workers(apply);
    TAILQ_FOREACH(acceptor, &apply->fresh, entry)
        if (r == 0)
            r = acceptor_start(acceptor, acceptor->next_route);
    TAILQ_FOREACH(acceptor, &apply->former, entry)
        if (r == 0)
            r = acceptor_start(acceptor, acceptor->next_route);
    return r < 0 ? apply_fail(
                       apply, APPLY_NO_RESOURCES, -r,
                       "There are no threads or no memory to work with; raise TasksMax or lower "
                       "workers")
                 : APPLY_OK;
}

/* All that can fail. */
static enum apply_outcome prepare_apply(struct apply *apply) {
    struct listen_wish *wishes = NULL;
    size_t n = 0;
    int r = listen_wishes(apply->config, apply->names, &wishes, &n);
    enum apply_outcome outcome =
        r < 0 ? apply_fail(apply, APPLY_NO_RESOURCES, -r, "no memory to listen with")
              : apply_find_sockets(apply, wishes, n);

    if (outcome == APPLY_OK)
        outcome = prepare_threads(apply);
    if (outcome == APPLY_OK)
        outcome = apply_files(apply);
    if (outcome == APPLY_OK)
        outcome = apply_listen(apply); /* last: from now on clients may come */
    free(wishes);
    apply_end_sharing(apply);
    return outcome;
}

/* As if it had never been tried. */
static void undo_apply(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor;

    apply_files_undo(apply);
    acceptor_free_all(&apply->fresh, LINK_FORGET);
    acceptor_free_all(&apply->former, LINK_FORGET);
    TAILQ_FOREACH(acceptor, &relay->acceptors, entry)
        acceptor->next_route = NULL;
    drop_workers(relay, apply->n_workers);
}

/* The sockets that stay get their new route; the others go, once relay_open has set the new ones
 * going. */
static void change_acceptors(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor = TAILQ_FIRST(&relay->acceptors);

    while (acceptor != NULL) {
        struct acceptor *next = TAILQ_NEXT(acceptor, entry);

        if (acceptor->next_route != NULL) {
            acceptor_use(acceptor, acceptor->next_route);
            listen_socket_tune(&acceptor->socket, acceptor->next_route->config);
        } else {
            TAILQ_REMOVE(&relay->acceptors, acceptor, entry);
            TAILQ_INSERT_TAIL(&relay->leaving, acceptor, entry);
        }
        acceptor = next;
    }
    TAILQ_CONCAT(&relay->acceptors, &apply->fresh, entry);
    apply_note_sockets(apply);
    TAILQ_FOREACH(acceptor, &relay->acceptors, entry)
        acceptor->next_route = NULL;
    TAILQ_CONCAT(&relay->leaving, &apply->former, entry);
}

static void commit_apply(struct apply *apply, const struct relay_limits *limits) {
    struct relay *relay = apply->relay;
    const struct global_config *global = &apply->config->global;
    const struct config *before = relay->current != NULL ? relay->current->config : NULL;
    size_t wanted = (size_t)global->workers;
    const struct queue_bounds bounds = {
        .workers = wanted,
        .capacity = (size_t)global->queue_size,
        .lines = apply->config->n_upstreams,
        .timeout = global->queue_timeout,
        .full_timeout = global->when_full == WHEN_FULL_WAIT ? USEC_NEVER : PLACE_PATIENCE};

    gate_set_max(&relay->road.gate, limits->max_connections);
    gate_set_max(&relay->road.refused, limits->max_refused);
    pipe_pool_set_limit(&relay->road.pipes, limits->max_pipes);
    generation_begin(apply->generation, relay->current,
                     &relay->limits); /* they hold before anybody is accepted under it */
    leg_pool_clear(&relay->road.legs);
    openings_set(&relay->road.openings, (size_t)apply->config->global.max_openings,
                 (size_t)apply->config->global.queue_size,
                 generation_count_opening(apply->generation));
    change_acceptors(apply);
    queue_set(&relay->road.queue, &bounds);
    if (relay->n_workers > wanted)
        drop_workers(relay, relay->n_workers - wanted);
    if (relay->current != NULL)
        SLIST_INSERT_HEAD(&relay->retired, relay->current, entry);
    lock_acquire(&relay->current_lock);
    relay->current = apply->generation;
    lock_release(&relay->current_lock);
    if (relay->road.link != NULL)
        table_bound(relay->road.link->table, limits->max_held);
    steer_tell_strangers(apply->config, before);
}

/* An upstream_down_fn. */
static void reset_member(void *arg, const struct member *member) {
    struct relay *relay = arg;

    leg_pool_clear(&relay->road.legs);
    sweep_abort(&relay->road.registry, member, END_SERVER_DOWN);
}

/* With upstreams that have begun. */
static enum apply_outcome make_generation(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct upstreams *upstreams =
        upstreams_new(apply->config, relay->current != NULL ? relay->current->upstreams : NULL,
                      reset_member, relay);

    if (upstreams == NULL || upstreams_start(upstreams) < 0) {
        upstreams_free(upstreams); /* no lookup is under way */
        apply->what = strdup("There is no memory or no thread for the upstreams; raise TasksMax.");
        return APPLY_NO_RESOURCES;
    }
    apply->generation = generation_new(apply->config, upstreams, relay->current, &relay->limits);
    if (apply->generation != NULL)
        return APPLY_OK;
    upstreams_free(upstreams);
    return apply_fail(apply, APPLY_NO_RESOURCES, ENOMEM, "no memory for the listeners");
}

enum apply_outcome relay_apply(struct relay *relay, struct config *config,
                               const struct listen_names *names, const struct relay_limits *limits,
                               struct passed_socket *passed, size_t n_passed, char **ret_what) {
    struct apply apply = {
        .relay = relay, .config = config, .names = names, .passed = passed, .n_passed = n_passed};

    TAILQ_INIT(&apply.fresh);
    TAILQ_INIT(&apply.former);
    enum apply_outcome outcome = make_generation(&apply);
    if (outcome != APPLY_OK) {
        *ret_what = apply.what;
        return outcome;
    }
    outcome = prepare_apply(&apply);
    if (outcome == APPLY_OK) {
        commit_apply(&apply, limits);
    } else {
        undo_apply(&apply);
        generation_free(apply.generation);
        *ret_what = apply.what;
    }
    (void)relay_tidy(relay);
    return outcome;
}

static void announce_listener(const struct acceptor *acceptor) {
    const struct route *route = acceptor->serves;
    const struct listener_config *config = route->config;
    bool redirects = route->upstream == NULL && config->own.redirect[0] != '\0';
    const char *target = redirects                 ? config->own.redirect
                         : route->upstream != NULL ? route->upstream->config->name
                                                   : NULL;

    log_msg(MSG_READY, "Listener %s takes connections on %s and %s %s%s.", config->name,
            acceptor->socket.text, redirects ? "redirects them to" : "relays them to",
            target != NULL ? target : "their routes",
            target != NULL && config->n_routes > 0 ? " and by its routes" : "");
}

void relay_announce(struct relay *relay) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &relay->acceptors, entry) {
        if (!acceptor->announced)
            announce_listener(acceptor);
        acceptor->announced = true;
    }
}
