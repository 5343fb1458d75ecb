/* What bounds one listener: max_connections, and each client's connections and rate. A listener
 * that stays through a reload keeps its limit, with the counts (limit_list.h). All is counted even
 * without a limit: a reload may bring one. */
#ifndef LISTEN_LIMIT_H
#define LISTEN_LIMIT_H

#include <sys/queue.h>

#include "base/histogram.h"
#include "base/meter.h"
#include "config/config.h"
#include "listen/client_table.h"
#include "listen/gate.h"
#include "listen/lane.h"
#include "record/ends.h"

#define LIMIT_STATUS_CLASSES 5 /* as of a member and a route */

struct limit {
    LIST_ENTRY(limit) entry;                /* limit_list's, like the next two */
    struct config *config;                  /* a reference; NULL: not yet in force */
    const struct listener_config *listener; /* the last one it was for */
    _Atomic unsigned refs;
    struct gate gate;
    struct client_table *clients;
    struct lane lane; /* of the openings, under their lock */
    /* For operators: */
    struct meter accepted;           /* in LIMIT_RATE_PERIOD */
    struct meter refused[END_COUNT]; /* by why, in LIMIT_REFUSED_PERIOD */
    _Atomic uint64_t shaken[2];      /* handshakes of TLS that succeeded; [true]: resumed */
    /* requests of mode http by the class of their status, from 1xx on; [true]: answered by relayd
     * itself */
    _Atomic uint64_t answered[2][LIMIT_STATUS_CLASSES];
    struct histogram requests;    /* how long they took in all, */
    struct histogram first_bytes; /* and until their server's answer began */
};

#define LIMIT_RATE_PERIOD    (10 * USEC_PER_SEC)
#define LIMIT_REFUSED_PERIOD (60 * USEC_PER_SEC)

/* With one reference. NULL: no memory. */
struct limit *limit_new(void);
struct limit *limit_ref(struct limit *limit);
void limit_unref(struct limit *limit); /* NULL is fine; the last one finds every seat left */

/* Puts it in force for this listener of the config, of which it takes a reference: max_connections
 * and client_prefix_v6. */
void limit_set(struct limit *limit, struct config *config, const struct listener_config *listener);

/* Its clients that were refused in the last minute. *ret_most: the most frequent end, or END_NONE.
 * Any thread, any lock. */
double limit_count_refused(const struct limit *limit, usec_t now, enum end *ret_most);

#endif
