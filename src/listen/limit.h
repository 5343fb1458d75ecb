/* What bounds one listener: max_connections, and the connections and the rate of each of its
 * clients. The counts stay when the configuration is loaded anew: a listener that stays goes on
 * with the same limit (limit_list.h). All is counted whether there is a limit or not, so that one
 * that a reload puts in force knows who is there. */
#ifndef LISTEN_LIMIT_H
#define LISTEN_LIMIT_H

#include <sys/queue.h>

#include "config/config.h"
#include "listen/client_table.h"
#include "listen/gate.h"
#include "listen/lane.h"

struct limit {
    LIST_ENTRY(limit) entry;                /* limit_list's, as the next two are */
    struct config *config;                  /* a reference; NULL: it has not been in force yet */
    const struct listener_config *listener; /* the last one that it was for */
    _Atomic unsigned refs;
    struct gate gate;
    struct client_table *clients;
    struct lane lane; /* of the openings, under their lock */
};

/* With one reference. NULL: no memory. */
struct limit *limit_new(void);
struct limit *limit_ref(struct limit *limit);
void limit_unref(struct limit *limit); /* NULL is fine; the last one: every seat was left */

/* It is for this listener of the config now, with its max_connections and client_prefix_v6. Takes a
 * reference to config. */
void limit_set(struct limit *limit, struct config *config, const struct listener_config *listener);

#endif
