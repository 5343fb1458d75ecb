/* The owner of it all: the road, its threads, its configurations. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <time.h>

#include "base/thread.h"
#include "config/config.h"
#include "conn/adopter.h"
#include "conn/reaper.h"
#include "listen/listen_names.h"
#include "listen/listen_socket.h"
#include "relay/renewal.h"
#include "road/acceptor.h"
#include "road/generation.h"
#include "road/road.h"
#include "road/spares.h"
#include "road/usher.h"
#include "road/worker.h"

/* Lists and generations are the owner's (main's). */
struct relay {
    struct generation *current; /* NULL before the first relay_apply */
    struct lock current_lock;   /* held while it changes, and by who is no owner (relay_hold) */
    SLIST_HEAD(, generation) retired;
    struct limit_list limits;
    struct acceptor_list acceptors; /* one for each listening socket */
    struct acceptor_list leaving;   /* of sockets given up, until relay_open */
    struct worker_list workers;     /* by number */
    size_t n_workers;               /* not told to end */
    struct road road;
    struct spares spares;
    struct usher usher;
    struct reaper reaper;
    struct renewal renewal;
    char name[KEEPER_NAME_MAX]; /* of this instance, for keepers */
    char *keeper;               /* the option as of the start: another one awaits a restart */
    struct heritage heritage;   /* what the keeper held, until adopted */
    _Atomic bool adopts;        /* until then */
    struct adopter adopter;     /* then, until all of that has pumps */
    _Atomic bool refused;       /* the last reload */
    _Atomic int64_t succeeded;  /* when a configuration was last put in force: time(2) */
};

/* See daemon/limits.h. */
struct relay_limits {
    size_t max_connections;
    /* refused clients that get time to read */
    size_t max_refused;
    size_t max_pipes;
    size_t max_held; /* by a keeper */
};

/* Without threads and sockets yet. Any thread calls on_empty once the relay drains and its last
 * connection has ended. NULL: no memory or no descriptor, as errno says. */
struct relay *relay_new(void (*on_empty)(void *arg), void *arg);

enum apply_outcome {
    APPLY_OK,
    APPLY_NO_SOCKET, /* none now; perhaps later */
    APPLY_FORBIDDEN, /* for want of rights */
    APPLY_WRONG,     /* never, as asked for */
    APPLY_NO_RESOURCES,
};

/* Puts a configuration in force: the first, which starts threads, or the next. On failure nothing
 * has changed, and *ret_what is a finished sentence (the caller frees it; NULL: no memory). Takes a
 * reference to config. passed: from systemd; used ones are blanked. Waits at the start alone, for
 * keepers in the way (make_way). The owner's. */
enum apply_outcome relay_apply(struct relay *relay, struct config *config,
                               const struct listen_names *names, const struct relay_limits *limits,
                               struct passed_socket *passed, size_t n_passed,
                               char **ret_what) MUST_USE;

/* Logs listeners that take connections from now on. The owner's. */
void relay_announce(struct relay *relay);

/* Notes how a reload, or the start, went. */
void relay_note_reload(struct relay *relay, bool good);

/* Any thread. */
struct reload_result {
    bool good;        /* the last one */
    time_t succeeded; /* when one last was */
};
struct reload_result relay_last_reload(const struct relay *relay);

/* Looks at the files of certificates of what is in force, from now on. The owner's. */
void relay_watch_certificates(struct relay *relay);

/* In force; the relay's reference. After the first relay_apply. The owner's. */
struct config *relay_config(const struct relay *relay);

/* What is in force, for who is not the owner: kept until relay_let_go. NULL: nothing is, yet. Any
 * thread, until relay_free. */
struct generation *relay_hold(struct relay *relay);
void relay_let_go(struct generation *generation); /* NULL is fine */

/* The relay's; NULL: there is none. After succession_begin. Any thread. */
const struct link *relay_link(const struct relay *relay);

/* Connections, from accept to close. Any thread. */
size_t relay_count_live(struct relay *relay);

/* After relay_apply: starts acceptors of new sockets, and ends those of sockets given up once they
 * have let in who had come. Waits for that, at most ACCEPT_REST (relay.c). */
void relay_open(struct relay *relay);

/* Frees what former configurations left and nothing needs any more. True: some is left. */
bool relay_tidy(struct relay *relay);

/* Ends every acceptor's wait for room, to look again. The owner's. */
void relay_nudge(struct relay *relay);

/* True: acceptors come round, and no job lies untaken. Calls are at least `patience` (some seconds
 * at most) apart. False: *ret_what says what is stuck. */
bool relay_moves(struct relay *relay, usec_t patience, char *ret_what, size_t size);

/* Appends " 3 connections wait for room at the servers of app." for each such upstream, then calls
 * upstreams_describe. The owner's. */
void relay_describe(struct relay *relay, char *buf, size_t size);

/* Ends acceptors and closes listening sockets. Lets in who has come: waits as relay_open does, and
 * at most patience. Idle connections of mode http end in order (drain_idle). Returns how many
 * connections are left; if any, on_empty will be called. */
size_t relay_drain(struct relay *relay, usec_t patience);

/* Instead of relay_drain, for the next relayd: ends acceptors, leaves listening sockets to the
 * keeper, still dials for what was accepted. */
void relay_leave(struct relay *relay);

/* After relay_leave. False: all that was accepted was dialled for, but for requests of mode http,
 * for which the next relayd dials; without any of these, workers have ended. Then, how many
 * connections the keeper does not hold. */
bool relay_is_dialling(struct relay *relay);
size_t relay_count_unheld(struct relay *relay);

/* Ends workers, and has exchanges come to a halt. Not, and false, while there are connections that
 * the keeper does not hold, unless it is forced. What is in this process alone for a moment
 * (in_memory) may be counted as not held after that. */
bool relay_rest(struct relay *relay, bool forced);

/* After relay_rest. Ends what the keeper does not hold, and halts the rest, wherever it is, which
 * relay_free leaves with LINK_LEAVE. */
void relay_park(struct relay *relay);

/* Resets what is left (STAT_cut_at_stop counts it), ends all threads, frees all. After relay_drain
 * or relay_park, or without a relay_apply that succeeded. Returns the keeper's table, or NULL: the
 * log's thread may still count in it, so free it (table_free) after log_stop. */
struct table *relay_free(struct relay *relay, enum link_end end) MUST_USE;

#endif
