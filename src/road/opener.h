/* An opener: a thread that serves openings, one after the other. Openers are made when there is
 * work for one more, the one that worked last is taken first, and one that has been idle for
 * OPENER_IDLE_MAX ends, unless it is the last. */
#ifndef ROAD_OPENER_H
#define ROAD_OPENER_H

#include "base/thread.h"
#include "road/openings.h"

#define OPENER_IDLE_MAX (60 * USEC_PER_SEC)

/* The frames of a TLS handshake are large; the pages that it dirties stay with the opener. */
#define OPENER_STACK ((size_t)256 * 1024)

struct opener {
    TAILQ_ENTRY(opener) link; /* of all that run */
    TAILQ_ENTRY(opener) idle_link;
    SLIST_ENTRY(opener) ended_link;
    struct openings *openings;
    struct thread thread;
    struct stack stack;
    struct cond wake;                /* with the openings' lock, as the rest: */
    struct opening *opening GUARDED; /* at it; NULL: it is idle, or about to look for one */
    bool started GUARDED;            /* thread_start is done with it */
};

/* Makes one, for an opening, or for the next one that comes (NULL). It is counted in
 * openings->n_openers already, and the opening as working. 0 or -errno, with nothing changed. */
int opener_start(struct openings *openings, struct opening *opening) MUST_USE;

/* Joins those that have ended, and frees them. No leaf lock held. */
void opener_join_all(struct ended_list *ended);

#endif
