/* GET /connection?id=N: all that there is to know of an established one. */
#ifndef CONTROL_CONNECTION_H
#define CONTROL_CONNECTION_H

#include "control/question.h"

struct reply connection_reply(const struct question *question);

#endif
