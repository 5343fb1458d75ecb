/* GET /explain?client=ADDRESS[&listener=NAME]: whether each listener would let this client in, and
 * where it would go. */
#ifndef CONTROL_EXPLAIN_H
#define CONTROL_EXPLAIN_H

#include "control/question.h"

struct reply explain_reply(const struct question *question);

#endif
