#include "relay/relay.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "relay/acceptor.h"
#include "relay/worker.h"

/* A gate that nobody waits at to become empty. */
static void ignore(void *arg) {
    (void)arg;
}

static void init_listener(struct listener *listener, const struct config *config, size_t i,
                          struct upstreams *upstreams) {
    const struct listener_config *lc = &config->listeners[i];

    listener->config = lc;
    listener->upstream = &upstreams->list[lc->upstream];
    listener->options =
        (struct conn_options){.idle_timeout = lc->idle_timeout,
                              .linger_timeout = lc->linger_timeout,
                              .half_close = lc->half_close,
                              .copy = (enum copy_mode)lc->copy,
                              .log = (enum log_connections)config->global.log_connections};
}

struct relay *relay_new(struct config *config, struct upstreams *upstreams,
                        const struct relay_limits *limits, void (*on_empty)(void *arg), void *arg) {
    struct relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL)
        return NULL;
    relay->listeners = calloc(config->n_listeners, sizeof(*relay->listeners));
    relay->n_workers = (size_t)config->global.workers;
    relay->workers = calloc(relay->n_workers, sizeof(*relay->workers));
    if (relay->listeners == NULL || relay->workers == NULL) {
        free(relay->listeners);
        free(relay->workers);
        free(relay);
        return NULL;
    }
    relay->config = config_ref(config);
    relay->n_listeners = config->n_listeners;
    for (size_t i = 0; i < relay->n_listeners; i++)
        init_listener(&relay->listeners[i], config, i, upstreams);
    gate_init(&relay->gate, limits->max_connections, on_empty, arg);
    gate_init(&relay->refused, limits->max_refused, ignore, NULL);
    registry_init(&relay->registry);
    pipe_pool_init(&relay->pipes, limits->max_pipes);
    pump_pool_init(&relay->pumps);
    return relay;
}

int relay_listen(struct relay *relay, struct passed_socket *passed, size_t n_passed,
                 char **ret_what) {
    *ret_what = NULL;
    for (size_t i = 0; i < relay->n_listeners; i++) {
        int r = listener_open(&relay->listeners[i], relay->config, passed, n_passed, ret_what);

        if (r < 0)
            return r;
        relay->n_acceptors += relay->listeners[i].n_sockets;
    }
    return 0;
}

static usec_t shortest_timeout(const struct config *config) {
    usec_t shortest = USEC_NEVER;

    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *lc = &config->listeners[i];

        if (lc->idle_timeout > 0 && lc->idle_timeout < shortest)
            shortest = lc->idle_timeout;
        if (lc->linger_timeout < shortest)
            shortest = lc->linger_timeout;
    }
    return shortest;
}

static int start_acceptors(struct relay *relay) {
    struct acceptor *next = relay->acceptors;

    for (size_t i = 0; i < relay->n_listeners; i++) {
        struct listener *listener = &relay->listeners[i];

        for (size_t j = 0; j < listener->n_sockets; j++) {
            int r = acceptor_start(next++, relay, listener, &listener->sockets[j]);

            if (r < 0)
                return r;
        }
    }
    return 0;
}

int relay_start(struct relay *relay) {
    int r;

    relay->acceptors = calloc(relay->n_acceptors, sizeof(*relay->acceptors));
    if (relay->acceptors == NULL)
        return -ENOMEM;
    r = queue_init(&relay->queue, (size_t)relay->config->global.queue_size, relay->n_acceptors);
    if (r < 0)
        return r;
    r = reaper_start(&relay->reaper, &relay->registry, &relay->pumps,
                     shortest_timeout(relay->config));
    for (size_t i = 0; i < relay->n_workers && r == 0; i++)
        r = worker_start(&relay->workers[i], relay, i + 1);
    return r < 0 ? r : start_acceptors(relay);
}

size_t relay_drain(struct relay *relay) {
    atomic_store(&relay->stop_accept, true);
    size_t live = gate_close(&relay->gate);
    if (relay->queue.ring != NULL)
        queue_unbind(&relay->queue);
    for (size_t i = 0; i < relay->n_acceptors && relay->acceptors != NULL; i++)
        acceptor_stop(&relay->acceptors[i]);
    for (size_t i = 0; i < relay->n_listeners; i++)
        listener_close(&relay->listeners[i]);
    return live;
}

/* Workers and dials end at once, pumps as soon as they notice. */
static void cut(struct relay *relay) {
    atomic_store(&relay->stop_now, true);
    if (relay->queue.ring != NULL)
        queue_close(&relay->queue);
    for (size_t i = 0; i < relay->n_workers; i++)
        thread_interrupt_join(&relay->workers[i].thread);
    registry_abort_all(&relay->registry, END_STOPPED);
}

void relay_free(struct relay *relay) {
    if (relay == NULL)
        return;
    relay_drain(relay);
    cut(relay);
    reaper_stop(&relay->reaper);      /* it trims the pump pool */
    pump_pool_destroy(&relay->pumps); /* waits for the last pump, and so for the last conn */
    if (relay->queue.ring != NULL)
        queue_destroy(&relay->queue);
    pipe_pool_destroy(&relay->pipes);
    registry_destroy(&relay->registry);
    gate_destroy(&relay->refused);
    gate_destroy(&relay->gate);
    free(relay->acceptors);
    free(relay->workers);
    free(relay->listeners);
    config_unref(relay->config);
    free(relay);
}
