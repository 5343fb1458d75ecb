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

/* What one connection takes of a limit. Zeroed: nothing. */
struct seat {
    struct limit *limit; /* counted in its gate, and a reference */
    struct client_seat *client;
};

/* Enters the listener's gate, if there is room. */
bool seat_enter(struct seat *seat, struct limit *limit) MUST_USE;

/* Counts the client, whose connection has entered the gate. */
enum client_outcome seat_count_client(struct seat *seat, const struct listener_config *config,
                                      const struct addr *client) MUST_USE;

/* The client has too many: waits as gate_await_leaver does. Only once a second in vain for one
 * client, so that one that asks and asks takes nothing from the others. */
bool seat_await_client(struct seat *seat, const struct addr *client,
                       struct leaver_wait *wait) MUST_USE;

/* Takes a seat beyond the limits: for a connection that the process before had let in. */
void seat_adopt(struct seat *seat, struct limit *limit, const struct addr *client);

/* Gives all of it back, and blanks it. */
void seat_leave(struct seat *seat);

#endif
