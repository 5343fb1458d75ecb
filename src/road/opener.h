/* An opener: a thread that serves one opening after the other. Idle for OPENER_IDLE_MAX, all end
 * but the last. */
#ifndef ROAD_OPENER_H
#define ROAD_OPENER_H

#include <sys/queue.h>

#include "base/event.h"
#include "base/thread.h"

struct opening;
struct openings;

#define OPENER_IDLE_MAX (60 * USEC_PER_SEC)

struct opener {
    TAILQ_ENTRY(opener) entry; /* of all that run */
    TAILQ_ENTRY(opener) idle_entry;
    SLIST_ENTRY(opener) ended_entry;
    struct openings *openings;
    struct thread thread;
    struct stack stack;
    struct event wake; /* counts calls */
    /* Under the openings' lock, as changes of the event: */
    struct opening *opening GUARDED; /* NULL: idle, or about to look for one */
    bool started GUARDED;            /* opener_start is done */
};

/* Without a thread. opening may be NULL. NULL: no memory. */
struct opener *opener_new(struct openings *openings, struct opening *opening) MUST_USE;

/* Starts its thread: fn(opener). 0 or -errno. */
int opener_start(struct opener *opener, thread_fn *fn) MUST_USE;

/* It is to look at what has changed. Under the openings' lock; event_wake(&opener->wake) is due
 * once that is released. */
void opener_call(struct opener *opener);

/* Joins its thread, if any. No leaf lock held. */
void opener_free(struct opener *opener);

#endif
