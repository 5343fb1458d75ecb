/* What one connection takes of its listener's limit: room in the gate, and one of its client's. Any
 * thread that owns it. */
#ifndef LISTEN_SEAT_H
#define LISTEN_SEAT_H

#include "listen/limit.h"

/* Zeroed: nothing is taken. */
struct seat {
    struct limit *limit; /* counted in its gate, and a reference */
    struct client_seat *client;
};

/* Enters the listener's gate, if there is room. */
bool seat_enter(struct seat *seat, struct limit *limit) MUST_USE;

/* Counts the client, which has entered the gate. */
enum client_outcome seat_count_client(struct seat *seat, const struct listener_config *config,
                                      const struct addr *client) MUST_USE;

/* The client has too many: waits as gate_await_leaver does; for one client in vain at most once a
 * second. */
bool seat_await_client(struct seat *seat, const struct addr *client,
                       struct leaver_wait *wait) MUST_USE;

/* Takes a seat beyond the limits, for the previous process's connection. */
void seat_adopt(struct seat *seat, struct limit *limit, const struct addr *client);

/* Gives it back and blanks it. */
void seat_leave(struct seat *seat);

#endif
