/* The thread of a listening socket: lets clients in and queues them. */
#ifndef ROAD_ACCEPTOR_H
#define ROAD_ACCEPTOR_H

#include "base/event.h"
#include "road/generation.h"
#include "road/road.h"

TAILQ_HEAD(acceptor_list, acceptor);

struct acceptor {
    /* The owner's: */
    TAILQ_ENTRY(acceptor) entry;
    struct route *serves;        /* the route, without the lock */
    bool announced;              /* its socket was logged */
    bool lost;                   /* logged: its interface is gone */
    unsigned seen_beats, stands; /* of acceptor_moves */
    int kept;                    /* the keeper's index; -1: none */
    /* The same, while a configuration is applied: */
    struct route *next_route;           /* NULL: the acceptor goes */
    const struct listen_wish *wish;     /* NULL: its socket is not new */
    struct socket_access access_before; /* its file's */
    bool access_changed;

    struct road *road;
    struct listen_socket socket;
    struct thread thread;
    struct lock lock;
    struct cond stop;            /* ends a pause after an error */
    struct event go;             /* set: begin, or end unbegun */
    struct route *route GUARDED; /* for the next accept; a reference */
    _Atomic bool waits;          /* when_full = wait */
    _Atomic bool bounded;        /* its listener has max_connections */
    _Atomic bool ending;         /* see rest_until */
    _Atomic usec_t rest_until;   /* lets the backlog in until then; 0: not at all */
    _Atomic bool settled;        /* no more clients can come */
    _Atomic unsigned beats;      /* rounds of its thread */
};

/* Takes over the socket. NULL: no memory, nothing taken. */
struct acceptor *acceptor_new(struct road *road, struct listen_socket *socket);

/* It accepts nothing before acceptor_go. 0 or -errno. */
int acceptor_start(struct acceptor *acceptor, struct route *route) MUST_USE;

/* Lets it accept, and has the keeper hold its socket. */
void acceptor_go(struct acceptor *acceptor);

void acceptor_use(struct acceptor *acceptor, struct route *route);

/* Sets `go`. */
void acceptor_wake(struct acceptor *acceptor);

/* Tells them to end (acceptor_end.c): hides their sockets, and lets backlogs in until then (0: not
 * at all). A socket that lives on, with systemd or (LINK_LEAVE) the keeper, keeps its backlog. */
void acceptor_retire_all(struct acceptor_list *acceptors, usec_t until, enum link_end end);

void acceptor_await_all(struct acceptor_list *acceptors, usec_t deadline);

/* At once. The keeper closes the socket, too, or (LINK_LEAVE) holds it for the next relayd. */
void acceptor_free(struct acceptor *acceptor, enum link_end end);
void acceptor_free_all(struct acceptor_list *acceptors, enum link_end end);

/* False: clients wait, and it does not come round. The owner's, with a relay_nudge after each
 * call. */
bool acceptor_moves(struct acceptor *acceptor);

#endif
