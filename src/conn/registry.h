/* Every conn that exists. Its lock also guards the state of each conn (the GUARDED members in
 * conn.h): what changes it happens a few times in the life of a connection. */
#ifndef CONN_REGISTRY_H
#define CONN_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "base/wheel.h"
#include "record/ends.h"

struct conn;
struct member;

struct registry {
    struct lock lock;
    TAILQ_HEAD(conn_list, conn) conns GUARDED;
    struct wheel reviews GUARDED; /* when the reaper looks at each conn next */
    struct cond sooner;           /* it is to look sooner than it sleeps for, or to stop */
    usec_t sleeps_until GUARDED;  /* 0: it does not sleep */
    usec_t drain_idle
        GUARDED; /* conns of mode http that are silent for so long end; USEC_NEVER: they do not */
    unsigned drain_epoch GUARDED; /* but for those that the keeper of this epoch holds; 0: all */
    /* Pumps come to a halt. (On a cache line of its own: it is looked at for each read and
     * write.) */
    _Alignas(64) _Atomic bool parks;
};

void registry_init(struct registry *registry);
void registry_destroy(struct registry *registry); /* must be empty */

void registry_add(struct registry *registry, struct conn *conn);
void registry_remove(struct registry *registry, struct conn *conn);

/* Files the next review of a conn, instead of the one that was filed. USEC_NEVER: none. */
void registry_review_at(struct registry *registry, struct conn *conn, usec_t when)
    REQUIRES(registry->lock);

/* It has changed so that it is to be reviewed by then. (One that is being reviewed is filed anew in
 * any case.) */
void registry_review_by(struct registry *registry, struct conn *conn, usec_t when)
    REQUIRES(registry->lock);

/* Takes out a conn whose review is due. NULL: there is none. */
struct conn *registry_due(struct registry *registry, usec_t now) REQUIRES(registry->lock);

/* From now on, conns of mode http that wait for no answer end in order once they have been silent
 * for so long, but for those that the keeper of this epoch holds (0: for none). Any thread. */
void registry_drain(struct registry *registry, usec_t idle, unsigned epoch);

/* How long this one may be silent then; USEC_NEVER: it is not ended for that. */
usec_t registry_drain_idle(const struct registry *registry, const struct conn *conn)
    REQUIRES(registry->lock);

/* Aborts every conn (see conn_abort), or those that lead to this member (NULL: to any). Any
 * thread. */
void registry_abort(struct registry *registry, const struct member *member, enum end end);

/* A link_hold_missing_fn; the first argument is the registry. */
void registry_hold_missing(void *registry, unsigned epoch);

/* Aborts those that the keeper of this epoch does not hold, and refused clients. */
void registry_abort_unheld(struct registry *registry, unsigned epoch, enum end end);

/* How many conns the keeper of this epoch does not hold, and how many there are. Refused clients
 * are not counted. */
size_t registry_count_unheld(struct registry *registry, unsigned epoch);

#endif
