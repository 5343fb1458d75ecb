/* A check of one server now: POST /check?server=UPSTREAM/SERVER. All its addresses at once, as its
 * health check does it, or else by a connect; what is known of the server does not change. The
 * site's thread's. */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include "control/question.h"

#define PROBES_MOST 4 /* at a time */

struct probe;

/* Sockets that all may have open at once. Any thread. */
size_t probe_descriptors(const struct config *config);

/* Begins, with a thread of its own. NULL: *ret_refusal is the answer. */
struct probe *probe_begin(const struct question *question, struct reply *ret_refusal);

/* All addresses have been checked, within the check's timeout. */
bool probe_is_done(const struct probe *probe);

/* How it went, once it is done. */
struct reply probe_reply(const struct probe *probe);

/* Gives it up, if it is not done. */
void probe_free(struct probe *probe);

#endif
