/* An accepted connection on its way from the acceptor to the pumps. Whoever has the job owns what is in it. */
#ifndef RELAY_JOB_H
#define RELAY_JOB_H

#include "base/addr.h"
#include "listen/limit.h"
#include "record/record.h"
#include "relay/line.h"
#include "upstream/member.h"

struct route;

/* What a connection holds and must give back in the end. Handed over as a whole: holdings_take. */
struct holdings {
    int client, server;    /* sockets; -1: none (yet) */
    struct place place;    /* in the limits of its listener */
    struct member *member; /* counted in; NULL: none was chosen (yet) */
    struct line
        *line; /* of the member's upstream, a reference; NULL: no member, or its upstream is gone */
};

/* How long a place is waited for, where nothing else says, that may belong to somebody who has ended: a client that ends
 * its connection and comes back is often quicker than the pump that is to note the end. */
#define PLACE_PATIENCE (100 * USEC_PER_MSEC)

#define HOLDINGS_NONE ((struct holdings){.client = -1, .server = -1})

/* Gives them away: returns them, and leaves none. */
static inline struct holdings holdings_take(struct holdings *holdings) {
    struct holdings taken = *holdings;

    *holdings = HOLDINGS_NONE;
    return taken;
}

/* Closes the sockets and gives back the rest. May be called twice. No leaf lock held. */
void holdings_give_back(struct holdings *holdings);

struct job {
    struct holdings has;
    struct route *route; /* a reference; NULL: none */
    struct addr
        destination; /* where the client connected to, if a PROXY header said so; else len 0 */
    usec_t
        full_since; /* when it was first found that it has to wait for room at a server; 0: never */
    struct record record; /* number, names, client and accepted are filled in by the acceptor */
};

/* Gives the job away: what it holds is blanked, and its route. */
void job_give(struct job *to, struct job *job);

#endif
