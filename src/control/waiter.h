/* Who waits at the control socket for what main does, POST /reload and /check; or for a probe.
 *
 * His connection is suspended meanwhile, so that others are answered. The site's thread's. */
#ifndef CONTROL_WAITER_H
#define CONTROL_WAITER_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "control/errands.h"
#include "control/probe.h"
#include "control/question.h"

#define WAITER_LOOK_MSEC 20 /* whether it is done: main need not wake the site */

struct waiter {
    LIST_ENTRY(waiter) entry;
    struct MHD_Connection *connection;
    struct errand *errand; /* this, or: */
    struct probe *probe;
    usec_t until;   /* then he is told that it takes too long */
    usec_t resumed; /* when; 0: he is suspended */
};

LIST_HEAD(waiter_list, waiter);

/* Suspends the connection; it is asked again once it is done. The reply has the waiter, or says why
 * there is none. */
struct reply waiter_begin(struct waiter_list *list, struct MHD_Connection *connection,
                          enum errand_kind kind);

/* The same for a probe, which it takes. */
struct reply waiter_begin_probe(struct waiter_list *list, struct MHD_Connection *connection,
                                struct probe *probe);

/* False: this is no waiter. Else *ret_reply is how it went, and it is freed. */
bool waiter_finish(struct waiter_list *list, const void *waiter, struct reply *ret_reply) MUST_USE;

/* Resumes those whose errand is done, and all with `all`. */
void waiter_look(struct waiter_list *list, bool all);

/* After the daemons have stopped. */
void waiter_free_all(struct waiter_list *list);

#endif
