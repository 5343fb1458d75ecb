/* The page of /metrics: counters, then what there is at this moment. */
#ifndef CONTROL_GAUGES_H
#define CONTROL_GAUGES_H

#include "control/question.h"

struct reply gauges_reply(const struct question *question);

#endif
