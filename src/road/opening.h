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
#include <sys/types.h>

#include "road/job.h"

struct openings;

struct opening {
    STAILQ_ENTRY(opening) next; /* in its lane, while it waits for an opener */
    TAILQ_ENTRY(opening) link;  /* among the ripe */
    struct openings *openings;
    struct limit *limit; /* its listener's, whose lane it is in: a reference of its own */
    struct job job;
    usec_t ripens;        /* when it has been silent for so long that it may be put out */
    usec_t deadline;      /* for all that it has to send */
    bool stays;           /* its opener's: it waits until the deadline, unless it is put out */
    bool ripe GUARDED;    /* under the openings' lock; it is in their list */
    bool put_out GUARDED; /* the same: it makes room, and its socket was shut down for reading */
    bool whole GUARDED;   /* the same: it has sent what it had to send first */
};

/* Takes what the job holds, which is blanked. NULL: no memory, and the job is as it was. */
struct opening *opening_new(struct openings *openings, struct job *job) MUST_USE;

/* Gives the job back, and frees the opening. */
void opening_return(struct opening *opening, struct job *job);

/* The job was given away, or holds nothing. No leaf lock held. */
void opening_free(struct opening *opening);

/* Waits for bytes of the client and looks at them, without taking them, until this moment: how
 * many; 0 at the end of data; or -errno: -ETIMEDOUT at the deadline, -EUSERS if it was put out,
 * -ECANCELED at the stop. Its opener's. */
ssize_t opening_peek(struct opening *opening, void *buf, size_t size, usec_t deadline) MUST_USE;

/* Hears what the client has to say first, and puts it into the work queue, or refuses it (an
 * opening_fn; the first argument is the road). Its opener's. */
void opening_serve(void *road, struct opening *opening);

#endif
