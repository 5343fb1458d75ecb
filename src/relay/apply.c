/* Putting a configuration in force: first everything that can fail, with nothing changed for anybody; then the
 * changes, which cannot. The first start is the same as a reload that finds nothing to keep. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "relay/acceptor.h"
#include "relay/listen_wish.h"
#include "relay/relay.h"
#include "relay/worker.h"

struct apply {
    struct relay *relay;
    struct config *config;
    struct generation *generation;
    struct passed_socket *passed;
    size_t n_passed;
    struct acceptor_list fresh; /* acceptors for sockets that are new */
    size_t n_workers;           /* started for it, or kept from ending */
    char *what;
};

static enum apply_outcome fail(struct apply *apply, enum apply_outcome outcome, int error,
                               const char *what) {
    if (apply->what == NULL && asprintf(&apply->what, "%s: %s.", what, strerrordesc_np(error)) < 0)
        apply->what = NULL;
    return outcome;
}

/* A new acceptor for a socket, which it takes over even if there is no memory. */
static int add_fresh(struct apply *apply, struct listen_socket *socket,
                     const struct listen_wish *wish) {
    struct acceptor *acceptor = acceptor_new(apply->relay, socket);

    if (acceptor == NULL) {
        listen_socket_close(socket);
        return -ENOMEM;
    }
    acceptor->next_route = &apply->generation->routes[wish->index];
    TAILQ_INSERT_TAIL(&apply->fresh, acceptor, link);
    return 0;
}

/* Open sockets that are asked for again go on. Whether there is any for this wish. */
static bool keep(struct apply *apply, const struct listen_wish *wish) {
    struct acceptor *acceptor;
    bool found = false;

    TAILQ_FOREACH(acceptor, &apply->relay->acceptors, link) {
        if (acceptor->next_route != NULL || !listen_wish_met(wish, &acceptor->socket))
            continue;
        acceptor->next_route = &apply->generation->routes[wish->index];
        found = true;
    }
    return found;
}

static int take_passed(struct apply *apply, const struct listen_wish *wish) {
    size_t found = 0;

    for (size_t i = 0; i < apply->n_passed; i++) {
        struct passed_socket *passed = &apply->passed[i];
        struct listen_socket socket;

        if (passed->fd < 0 || strcmp(passed->name, wish->listener->name) != 0)
            continue;
        int r = listen_socket_adopt(&socket, wish, passed);
        if (r == 0)
            r = add_fresh(apply, &socket, wish);
        if (r < 0)
            return r;
        found++;
    }
    return found > 0 ? 0 : -ENOENT;
}

/* One that a relayd before has bound, and that was held meanwhile: -ENOENT if there is none for this wish. What is not
 * as it was described is let go. */
static int take_inherited(struct apply *apply, const struct listen_wish *wish) {
    struct relay *relay = apply->relay;

    for (int i = 0; relay->link != NULL && i < KEEPER_LISTENERS_MAX; i++) {
        const struct table_listener *description = &relay->link->table->head->listeners[i];
        struct listen_socket socket = {.addr = description->addr,
                                       .v6only = description->v6only,
                                       .stands_in = description->stands_in};

        if (relay->heritage.listeners[i] < 0 || !description->used ||
            !listen_wish_met(wish, &socket))
            continue;
        if (listen_socket_inherit(&socket, &relay->heritage.listeners[i], i, description) < 0) {
            link_disown_listener(relay->link, i);
            (void)link_await_pong(relay->link->fd); /* then its address can be bound */
            continue;
        }
        listen_socket_tune(&socket, wish->listener);
        return add_fresh(apply, &socket, wish);
    }
    return -ENOENT;
}

/* A socket of ours that is in the way of a wish, whether it goes or stays: both cannot be open at a time. */
static bool in_our_own_way(const struct relay *relay, const struct listen_wish *wish) {
    const struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &relay->acceptors, link)
    if (listen_wish_overlaps(wish, &acceptor->socket))
        return true;
    return false;
}

static char *complain(const struct apply *apply, const struct listen_wish *wish, int error) {
    const char *why = NULL;

    if (apply->relay->now != NULL && wish->systemd && error == ENOENT)
        why =
            "systemd passes sockets only when relayd starts, so this can only change by a restart";
    else if (error == EADDRINUSE && !wish->systemd && in_our_own_way(apply->relay, wish))
        why = "relayd itself has that port at an address that overlaps";
    return listen_wish_complaint(wish, error, why);
}

/* Sockets of the relayd before that no wish has met, and that may be in the way of one. Or that relayd had the usual keeper,
 * which this one was told to do without. */
static void drop_inherited(struct relay *relay) {
    bool usual = relay->link != NULL && strcmp(relay->link->path, KEEPER_SOCKET) == 0, any = false;

    if (!usual && link_make_drop(KEEPER_SOCKET))
        log_msg(MSG_KEEPER,
                "relayd-keeper at %s held listening sockets of a relayd before, "
                "and was told to drop all that it held.",
                KEEPER_SOCKET);
    if (relay->link == NULL)
        return;
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        if (relay->heritage.listeners[i] < 0)
            continue;
        any = true;
        fd_close(&relay->heritage.listeners[i]);
        link_disown_listener(relay->link, i);
    }
    if (any)
        (void)link_await_pong(relay->link->fd);
}

static int open_socket(struct apply *apply, const struct listen_wish *wish) {
    struct listen_socket socket;

    if (wish->systemd)
        return take_passed(apply, wish);
    int r = listen_socket_open(&socket, wish);
    if (r == -EADDRINUSE && apply->relay->now == NULL) {
        drop_inherited(apply->relay);
        r = listen_socket_open(&socket, wish);
    }
    return r == 0 ? add_fresh(apply, &socket, wish) : r;
}

/* First what is open already, here or in the keeper; then what is new. */
static int find_sockets(struct apply *apply, struct listen_wish *wishes, size_t n) {
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        wishes[i].met = keep(apply, &wishes[i]);
        if (wishes[i].met || wishes[i].systemd)
            continue;
        r = take_inherited(apply, &wishes[i]);
        wishes[i].met = r == 0;
        r = r == -ENOENT ? 0 : r;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        if (wishes[i].met)
            continue;
        r = open_socket(apply, &wishes[i]);
        if (r < 0)
            apply->what = complain(apply, &wishes[i], -r);
    }
    return r;
}

static bool number_taken(const struct relay *relay, size_t number) {
    const struct worker *worker;

    TAILQ_FOREACH(worker, &relay->workers, link)
    if (worker->number == number)
        return true;
    return false;
}

/* As many as the configuration has more, counting those that have been told to end and have not yet heard it. */
static int add_workers(struct apply *apply) {
    struct relay *relay = apply->relay;
    size_t wanted = (size_t)apply->config->global.workers, number = 1;

    (void)relay_tidy(relay); /* the numbers of those that have ended are free again */
    if (relay->n_workers < wanted)
        apply->n_workers = queue_keep(&relay->queue, wanted - relay->n_workers);
    relay->n_workers += apply->n_workers;
    while (relay->n_workers < wanted) {
        struct worker *worker;

        while (number_taken(relay, number))
            number++;
        int r = worker_start(relay, number, false, &worker);
        if (r < 0)
            return r;
        TAILQ_INSERT_TAIL(&relay->workers, worker, link);
        relay->n_workers++;
        apply->n_workers++;
    }
    return 0;
}

static void drop_workers(struct relay *relay, size_t n) {
    relay->n_workers -= n;
    queue_dismiss(&relay->queue, n);
}

/* All that can fail. */
static enum apply_outcome prepare(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct listen_wish *wishes = NULL;
    struct acceptor *acceptor;
    size_t n = 0;
    int r = listen_wishes(apply->config, &wishes, &n, &apply->what);

    if (r == 0)
        r = find_sockets(apply, wishes, n);
    free(wishes);
    if (r < 0)
        return fail(apply, APPLY_NO_SOCKET, -r, "no memory to listen with");
    if (!relay->reaper.thread.running)
        r = reaper_start(&relay->reaper, &relay->registry, &relay->pumps);
    if (r == 0 && !relay->usher.thread.running)
        r = usher_start(&relay->usher, relay);
    if (r == 0)
        r = add_workers(apply);
    TAILQ_FOREACH(acceptor, &apply->fresh, link)
    if (r == 0)
        r = acceptor_start(acceptor, acceptor->next_route);
    return r < 0 ? fail(apply, APPLY_NO_RESOURCES, -r,
                        "There are no threads or no memory to work with; raise TasksMax or lower "
                        "workers")
                 : APPLY_OK;
}

/* As if it had never been tried. */
static void undo(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor;

    acceptor_free_all(&apply->fresh);
    TAILQ_FOREACH(acceptor, &relay->acceptors, link)
    acceptor->next_route = NULL;
    drop_workers(relay, apply->n_workers);
}

/* The sockets that stay get their new route; the others close, after the new ones have opened. */
static void change_acceptors(struct apply *apply) {
    struct relay *relay = apply->relay;
    struct acceptor *acceptor = TAILQ_FIRST(&relay->acceptors);
    struct acceptor_list gone = TAILQ_HEAD_INITIALIZER(gone);

    while (acceptor != NULL) {
        struct acceptor *next = TAILQ_NEXT(acceptor, link);

        if (acceptor->next_route != NULL) {
            acceptor_use(acceptor, acceptor->next_route);
            listen_socket_tune(&acceptor->socket, acceptor->next_route->config);
        } else {
            TAILQ_REMOVE(&relay->acceptors, acceptor, link);
            TAILQ_INSERT_TAIL(&gone, acceptor, link);
        }
        acceptor = next;
    }
    TAILQ_CONCAT(&relay->acceptors, &apply->fresh, link);
    TAILQ_FOREACH(acceptor, &relay->acceptors, link)
    acceptor->next_route = NULL;
    acceptor_free_all(&gone);
}

static void commit(struct apply *apply, const struct relay_limits *limits) {
    struct relay *relay = apply->relay;
    const struct global_config *global = &apply->config->global;
    size_t wanted = (size_t)global->workers;
    const struct queue_bounds bounds = {.workers = wanted,
                                        .capacity = (size_t)global->queue_size,
                                        .lines = apply->config->n_upstreams,
                                        .timeout = global->queue_timeout};

    gate_set_max(&relay->gate, limits->max_connections);
    gate_set_max(&relay->refused, limits->max_refused);
    pipe_pool_set_limit(&relay->pipes, limits->max_pipes);
    generation_begin(apply->generation,
                     relay->now); /* its limits hold before anybody is accepted under it */
    change_acceptors(apply);
    reaper_set_shortest(&relay->reaper, generation_shortest_timeout(apply->generation));
    queue_set(&relay->queue, &bounds);
    if (relay->n_workers > wanted)
        drop_workers(relay, relay->n_workers - wanted);
    if (relay->now != NULL)
        SLIST_INSERT_HEAD(&relay->old, relay->now, link);
    relay->now = apply->generation;
}

enum apply_outcome relay_apply(struct relay *relay, struct config *config,
                               struct upstreams *upstreams, const struct relay_limits *limits,
                               struct passed_socket *passed, size_t n_passed, char **ret_what) {
    struct apply apply = {.relay = relay, .config = config, .passed = passed, .n_passed = n_passed};

    TAILQ_INIT(&apply.fresh);
    apply.generation = generation_new(config, upstreams, relay->now);
    if (apply.generation == NULL) {
        upstreams_free(upstreams);
        enum apply_outcome failed =
            fail(&apply, APPLY_NO_RESOURCES, ENOMEM, "no memory for the listeners");

        *ret_what = apply.what;
        return failed;
    }
    enum apply_outcome outcome = prepare(&apply);
    if (outcome == APPLY_OK) {
        commit(&apply, limits);
    } else {
        undo(&apply);
        generation_free(apply.generation);
        *ret_what = apply.what;
    }
    (void)relay_tidy(relay);
    return outcome;
}
