/* Every conn that exists. Its lock also guards the state of each conn (the GUARDED members in
 * conn.h): what changes it happens a few times in the life of a connection. */
#ifndef RELAY_REGISTRY_H
#define RELAY_REGISTRY_H

#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "relay/ends.h"

struct conn;
struct member;

struct registry {
    struct lock lock;
    struct cond
        changed; /* for the reaper: it slept with an empty registry, and a conn came; or stop */
    TAILQ_HEAD(conn_list, conn) conns GUARDED;
    bool asleep GUARDED;
};

void registry_init(struct registry *registry);
void registry_destroy(struct registry *registry); /* must be empty */

void registry_add(struct registry *registry, struct conn *conn);
void registry_remove(struct registry *registry, struct conn *conn);

/* Aborts every conn (see conn_abort), or those that lead to this member (NULL: to any). Any thread. */
void registry_abort(struct registry *registry, const struct member *member, enum end end);

#endif
