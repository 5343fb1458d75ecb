/* An accepted connection on its way from the acceptor to the pumps. Whoever has the job owns what
 * is in it. */
#ifndef ROAD_JOB_H
#define ROAD_JOB_H

#include "base/addr.h"
#include "conn/holdings.h"
#include "record/record.h"

struct route;

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
