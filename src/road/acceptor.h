/* An acceptor: one thread for one listening socket, from the kernel's backlog into the work
 * queue. */
#ifndef ROAD_ACCEPTOR_H
#define ROAD_ACCEPTOR_H

#include "base/event.h"
#include "road/generation.h"
#include "road/road.h"

TAILQ_HEAD(acceptor_list, acceptor);

struct acceptor {
    TAILQ_ENTRY(acceptor) link; /* this, and the next six, are the owner's */
    struct route
        *next_route; /* while a configuration is applied: what it will serve; NULL: it goes */
    const struct listen_wish *wish;     /* the same: what it is new for, or NULL */
    struct socket_access access_before; /* the same: what its file was given, */
    bool access_changed;                /* and whether it is something else now */
    bool lost;                   /* the owner's: the log has told that its interface is gone */
    unsigned seen_beats, stands; /* the same, for acceptor_moves */
    const struct route *serves;  /* the route, for the owner to look at */
    int kept;                    /* the link's index of its socket; -1: none */
    bool announced;              /* the same: the log has told of its socket */
    struct road *road;
    struct listen_socket socket;
    struct thread thread;
    struct lock lock;
    struct cond stop;            /* only to wait with, after an error */
    struct event go;             /* told to begin, or to end without having begun */
    struct route *route GUARDED; /* of what is accepted from now on; a reference */
    _Atomic bool waits;          /* the route's when_full */
    _Atomic bool bounded;        /* the route's listener has a max_connections of its own */
    _Atomic bool ending;
    _Atomic usec_t
        rest_until;       /* once it ends: how long those who have come are let in; 0: not at all */
    _Atomic bool settled; /* nobody comes any more */
    _Atomic unsigned beats; /* it came round */
};

/* An acceptor that does not run yet. The socket is taken over. NULL: no memory, the socket is still
 * the caller's. */
struct acceptor *acceptor_new(struct road *road, struct listen_socket *socket);

/* Makes the thread, for this route; it accepts nothing before acceptor_go, which also has its
 * socket held by the keeper. 0 or -errno. */
int acceptor_start(struct acceptor *acceptor, struct route *route) MUST_USE;
void acceptor_go(struct acceptor *acceptor);

/* From now on it accepts for this route. */
void acceptor_use(struct acceptor *acceptor, struct route *route);

/* Sets its thread going, to do what it is told. */
void acceptor_wake(struct acceptor *acceptor);

/* How they end (acceptor_end.c). First they are told to: nobody comes to their sockets any more,
 * and who has come is let in until then (0: is not). A socket that lives on elsewhere, with systemd
 * or (LINK_LEAVE) the keeper, keeps who waits in it. */
void acceptor_retire_all(struct acceptor_list *acceptors, usec_t until, enum link_end end);

/* Then waits for their ends, but not beyond the deadline. */
void acceptor_await_all(struct acceptor_list *acceptors, usec_t deadline);

/* Ends the thread, if there is one, at once, and closes the socket; the keeper closes it, too, or
 * (LINK_LEAVE) has it for the next relayd. */
void acceptor_free(struct acceptor *acceptor, enum link_end end);
void acceptor_free_all(struct acceptor_list *acceptors, enum link_end end);

/* Whether it takes those who come. Called again and again, with a relay_nudge after each time. */
bool acceptor_moves(struct acceptor *acceptor);

#endif
