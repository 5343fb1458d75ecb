/* Whether the threads of the road come round: for the watchdog. */
#include <stdio.h>

#include "relay/relay.h"
#include "road/acceptor.h"
#include "road/worker.h"

/* The longest that a worker can be kept by one job. */
static usec_t longest_dial(const struct config *config) {
    usec_t longest = 0;

    for (size_t i = 0; i < config->n_upstreams; i++) {
        const struct upstream_config *upstream = &config->upstreams[i];
        /* The attempts, a test besides (search_next.c), and the first answer for a name. */
        usec_t dial = upstream->connect_timeout * (upstream->connect_attempts + 2);

        longest = dial > longest ? dial : longest;
    }
    return longest;
}

/* The longest that all workers can be busy, under any configuration that some of them may have
 * begun with. */
static usec_t longest_turn(const struct relay *relay) {
    const struct generation *generation;
    usec_t longest = longest_dial(relay->current->config);

    SLIST_FOREACH(generation, &relay->retired, entry) {
        usec_t old = longest_dial(generation->config);

        longest = old > longest ? old : longest;
    }
    return longest;
}

static bool workers_move(struct relay *relay, usec_t patience, char *ret_what, size_t size) {
    usec_t since = queue_stands_since(&relay->road.queue);
    const struct worker *worker;

    TAILQ_FOREACH(worker, &relay->workers, entry)
        if (!worker_comes(worker, patience, ret_what, size))
            return false;
    if (!spares_come(&relay->spares, patience, ret_what, size))
        return false;
    if (since != 0 && clock_now() - since > longest_turn(relay) + patience) {
        snprintf(ret_what, size, "no worker takes what waits in the queue");
        return false;
    }
    return true;
}

bool relay_moves(struct relay *relay, usec_t patience, char *ret_what, size_t size) {
    struct acceptor *acceptor;
    bool moves = true;

    TAILQ_FOREACH(acceptor, &relay->acceptors, entry) {
        if (acceptor_moves(acceptor))
            continue;
        snprintf(ret_what, size, "the acceptor on %s is stuck", acceptor->socket.text);
        moves = false;
    }
    relay_nudge(relay); /* acceptors that wait for room come round, too */
    return openings_move(&relay->road.openings, patience, ret_what, size) &&
           workers_move(relay, patience, ret_what, size) && moves;
}
