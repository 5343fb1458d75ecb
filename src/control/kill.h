/* POST /kill and /drain-client: connections are ended, of the filters of /connections; all=yes: all
 * that there are. */
#ifndef CONTROL_KILL_H
#define CONTROL_KILL_H

#include "control/question.h"

struct reply kill_reply(const struct question *question);         /* reset */
struct reply drain_client_reply(const struct question *question); /* once silent (conn_tell) */

#endif
