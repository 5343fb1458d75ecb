/* GET /connections: those that are established, in that order; then those that are not yet. */
#ifndef CONTROL_CONNECTIONS_H
#define CONTROL_CONNECTIONS_H

#include "conn/conn.h"
#include "control/filter.h"
#include "control/question.h"

/* With the filters listener=NAME, server=NAME or UPSTREAM/NAME, and client=PREFIX. */
struct reply connections_reply(const struct question *question);

/* "relay", "linger" (a refused client that reads why does, too) or "idle": between two requests.
 * Any thread with a reference. */
const char *connections_phase(struct conn *conn);

/* Whether one that is there is meant by all of the filter. */
bool connections_takes(const struct filter *filter, const struct conn *conn);

#endif
