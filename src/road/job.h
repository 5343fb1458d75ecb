/* An accepted connection on its way to the pumps. Whoever has the job owns what is in it. */
#ifndef ROAD_JOB_H
#define ROAD_JOB_H

#include "base/addr.h"
#include "conn/holdings.h"
#include "record/record.h"

struct exchange; /* conn/exchange.h */
struct route;

struct job {
    struct holdings has;
    struct route *route;     /* a reference; NULL: none */
    struct addr destination; /* by the PROXY header; len 0: unknown */
    bool plain;        /* the client spoke no TLS where that is due: it understands plain HTTP */
    uint8_t alert;     /* it is refused by this alert, in plaintext; 0: it is not */
    usec_t full_since; /* when its servers were first found full; 0: never */
    struct exchange *exchange; /* it is a dial for this one, which waits; NULL: a connection */
    /* References: whom that dial goes to first, and whom only if there is no other; or NULL */
    struct member *wanted, *mute;
    struct record record; /* the acceptor fills in number, names, client and accepted */
};

/* What is shown of a connection that is not yet established. */
struct glimpse {
    const char *phase; /* "opening", "queue" or "connect" */
    uint64_t number;
    usec_t accepted;
    struct addr client;
    char listener[CONFIG_NAME_MAX], upstream[CONFIG_NAME_MAX];
};

#define GLIMPSES_WAITING 1000 /* that wait for one thing, listed at most */

struct glimpse job_glimpse(const struct job *job, const char *phase);

/* Blanks what the job holds, its route and whom it wants. */
void job_give(struct job *to, struct job *job);

#endif
