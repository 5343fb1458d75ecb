/* GET /status and GET /ready: how it is as a whole. */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include "control/question.h"

/* What status_reply says. NULL: no memory. */
json_t *status_json(const struct question *question);
struct reply status_reply(const struct question *question);

/* 200: listeners take connections, and each upstream has a server that is up. Else 503, and why. */
struct reply ready_reply(const struct question *question);

#endif
