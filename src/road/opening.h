/* An opening: an accepted connection that has something to send before there is a server to dial,
 * as a PROXY header.
 *
 * It goes from the acceptor to an opener (opener.h), and from there as a job to the workers.
 * Whatever it has to send has one deadline, from its accept. An opener that waits for its bytes
 * owns it; while it is ripe (openings.h), its socket may be shut down for reading by whoever needs
 * room. */
#ifndef ROAD_OPENING_H
#define ROAD_OPENING_H

#include <sys/queue.h>

#include "road/job.h"

/* Somewhat less than a second, so that who waits behind a flood of silent clients is dialled for
 * little more than a second after it came, their departure included. */
#define OPENING_PATIENCE (900 * USEC_PER_MSEC)

struct openings;

struct opening {
    STAILQ_ENTRY(opening) next; /* in its lane, while it waits for an opener */
    TAILQ_ENTRY(opening) link;  /* among the ripe */
    struct openings *openings;  /* set by openings_push */
    struct limit *limit;        /* its listener's, whose lane it is in: a reference of its own */
    struct job job;
    usec_t ripens;        /* when it has been silent for so long that it may be put out */
    usec_t deadline;      /* for all that it has to send */
    bool stays;           /* its opener's: it waits until the deadline, unless it is put out */
    bool ripe GUARDED;    /* under the openings' lock; it is in their list */
    bool put_out GUARDED; /* the same: it makes room, and its socket was shut down for reading */
    bool whole GUARDED;   /* the same: it has sent what it had to send first */
};

/* Takes what the job holds, which is blanked. NULL: no memory, and the job is as it was. */
struct opening *opening_new(struct job *job) MUST_USE;

/* Gives the job back, and frees the opening. */
void opening_return(struct opening *opening, struct job *job);

/* The job was given away, or holds nothing. No leaf lock held. */
void opening_free(struct opening *opening);

#endif
