/* GET /tail and GET /events: what happens, as lines of JSON, until the client goes. */
#ifndef CONTROL_LIVE_H
#define CONTROL_LIVE_H

#include "control/question.h"

/* Ends of connections, requests, or both, with the filters of control/filter.h and
 * control/request_filter.h. */
struct reply tail_reply(const struct question *question);

/* Every other message of the log, the last ones first; follow=no: these alone. */
struct reply events_reply(const struct question *question);

#endif
