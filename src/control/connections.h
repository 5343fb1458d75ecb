/* GET /connections: those that are established, in that order; then those that are not yet. */
#ifndef CONTROL_CONNECTIONS_H
#define CONTROL_CONNECTIONS_H

#include "control/question.h"

/* With the filters listener=NAME, server=NAME or UPSTREAM/NAME, and client=PREFIX. */
struct reply connections_reply(const struct question *question);

#endif
