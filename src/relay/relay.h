/* The owner of it all: the road, who works on it, and the configurations that it is used by. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/thread.h"
#include "config/config.h"
#include "conn/adopter.h"
#include "conn/reaper.h"
#include "listen/listen_names.h"
#include "listen/listen_socket.h"
#include "road/acceptor.h"
#include "road/generation.h"
#include "road/road.h"
#include "road/spares.h"
#include "road/usher.h"
#include "road/worker.h"

/* The lists and the generations are the owner's (main's), who makes, changes and frees the
 * relay. */
struct relay {
    struct generation *current; /* NULL before the first relay_apply */
    SLIST_HEAD(, generation) retired;
    struct limit_list limits;
    struct acceptor_list acceptors; /* one for each listening socket */
    struct acceptor_list leaving;   /* those of sockets that are given up, until relay_open */
    struct worker_list workers;     /* in the order of their numbers */
    size_t n_workers;               /* but for those that have been told to end */
    struct road road;
    struct spares spares;
    struct usher usher;
    struct reaper reaper;
    char name[KEEPER_NAME_MAX]; /* of this instance, for keepers */
    struct heritage heritage;   /* what it held, until that is adopted */
    struct adopter adopter;     /* then, until all of that has pumps */
};

/* What the system allows (see daemon/limits.h). */
struct relay_limits {
    size_t max_connections;
    /* refused clients that may be reading their answer; others are not waited for */
    size_t max_refused;
    size_t max_pipes;
    size_t max_held; /* by a keeper */
};

/* Makes the road; no thread runs and no socket is open yet. on_empty is called, by any thread, once
 * the relay drains and its last connection has ended. NULL: no memory. Free it with relay_free. */
struct relay *relay_new(void (*on_empty)(void *arg), void *arg);

/* How relay_apply went. */
enum apply_outcome {
    APPLY_OK,
    APPLY_NO_SOCKET, /* may be had another time */
    APPLY_FORBIDDEN, /* may not, as long as this process has no more rights */
    APPLY_WRONG,     /* may not, as it is asked for */
    APPLY_NO_RESOURCES,
};

/* Puts a configuration in force, for the first time (then threads start) or instead of the one
 * before: all of it or, on failure, nothing. Then *ret_what is a finished sentence that says why
 * (the caller frees it; NULL: no memory). Takes a reference to config. names: those of its
 * listeners. passed: the sockets from systemd; those that are used are blanked. Waits at the
 * start alone, for keepers that are in the way (make_way). The owner's. */
enum apply_outcome relay_apply(struct relay *relay, struct config *config,
                               const struct listen_names *names, const struct relay_limits *limits,
                               struct passed_socket *passed, size_t n_passed,
                               char **ret_what) MUST_USE;

/* Logs which listeners take connections that did not before. The owner's. */
void relay_announce(struct relay *relay);

/* The configuration in force: the relay's reference. After the first relay_apply. The owner's. */
struct config *relay_config(const struct relay *relay);

/* The link to the keeper, which is the relay's; NULL: there is none. After succession_begin. Any
 * thread. */
const struct link *relay_link(const struct relay *relay);

/* How many connections there are, from accept to close. Any thread. */
size_t relay_count_live(struct relay *relay);

/* After relay_apply: the acceptors of new sockets begin, and those of sockets that are given up
 * end, after they have let in who had come to them. That is waited for, but not for long
 * (ACCEPT_REST in relay.c). */
void relay_open(struct relay *relay);

/* Frees what former configurations have left behind, as far as nothing needs it any more. Whether
 * there is more, for another time. */
bool relay_tidy(struct relay *relay);

/* Sends away every acceptor that waits for room, wherever: there is something else to look at. The
 * owner's. */
void relay_nudge(struct relay *relay);

/* Whether work moves: acceptors come round, and no job waits while nothing takes it. Called again
 * and again, with at least `patience` (at most some seconds) in between. False: *ret_what, of that
 * size, says what is stuck. */
bool relay_moves(struct relay *relay, usec_t patience, char *ret_what, size_t size);

/* For the status line: appends to buf " 3 connections wait for room at the servers of app." for
 * each upstream where any do, and then what upstreams_describe says. The owner's. */
void relay_describe(struct relay *relay, char *buf, size_t size);

/* Takes no more connections: the acceptors end, the listening sockets close. Who has come already
 * is let in, which is waited for as in relay_open, and not for longer than patience. Idle
 * connections of mode http end in order (drain_idle). Returns how many connections there are; if
 * any, on_empty will be called. */
size_t relay_drain(struct relay *relay, usec_t patience);

/* Instead of relay_drain, when another relayd will go on: no more connections are taken, and the
 * listening sockets stay open in the keeper. What was accepted is still dialled for. */
void relay_leave(struct relay *relay);

/* After that: whether all that was accepted has been dialled for, and how many connections the
 * keeper does not hold. */
bool relay_is_dialling(struct relay *relay);
size_t relay_count_unheld(struct relay *relay);

/* Ends what the keeper does not hold, and brings the rest to a halt: what relay_free does not touch
 * with LINK_LEAVE. */
void relay_park(struct relay *relay);

/* Ends what is left at once, by resets (STAT_cut_at_stop counts them), then all threads, and frees
 * all. After relay_drain or relay_park, or if relay_apply failed or was never called. Returns the
 * table, if there was a keeper: the log's thread may be just about to count in it, so that it is
 * freed (table_free) after log_stop. */
struct table *relay_free(struct relay *relay, enum link_end end) MUST_USE;

#endif
