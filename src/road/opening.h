/* An opening: an accepted connection that has something to send before a server is dialled, as a
 * PROXY header. Its opener owns it. While it is ripe (openings.h), whoever needs room may shut its
 * socket down for reading. */
#ifndef ROAD_OPENING_H
#define ROAD_OPENING_H

#include <sys/queue.h>

#include "road/job.h"

/* A flood of silent clients delays others by little more than a second. */
#define OPENING_PATIENCE (900 * USEC_PER_MSEC)

struct openings;

struct opening {
    STAILQ_ENTRY(opening) next; /* in its lane */
    TAILQ_ENTRY(opening) entry; /* among the ripe */
    struct openings *openings;  /* set by openings_push */
    struct limit *limit;        /* its listener's, with its lane; a reference */
    struct job job;
    struct glimpse glimpse; /* of the job as it came */
    usec_t ripens;          /* when it may be put out; 0: nobody has asked yet */
    usec_t deadline;        /* for all that it has to send */
    /* Its opener's: */
    bool stays;     /* it waits for the deadline */
    usec_t timeout; /* SO_RCVTIMEO of its socket; 0: none */
    size_t hello;   /* bytes of a ClientHello that lie in the socket; 0: none was seen */
    /* Under the openings' lock: */
    bool ripe GUARDED;    /* in their list */
    bool put_out GUARDED; /* its socket was shut down for reading */
    bool whole GUARDED;   /* it has sent all */
};

/* Takes over the job. NULL: no memory, the job is untouched. */
struct opening *opening_new(struct job *job) MUST_USE;

/* Its opener's: finds out when it ripens, once it has to wait. */
void opening_find_ripens(struct opening *opening);

/* Frees the opening. */
void opening_return(struct opening *opening, struct job *job);

/* Its job holds nothing. No leaf lock held. */
void opening_free(struct opening *opening);

#endif
