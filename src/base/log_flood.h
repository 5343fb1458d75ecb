/* Summing up: of each group of messages that could flood, so many a second are written one by one;
 * the rest of that second is one line with their number. Private to base/log; the log thread's
 * alone. */
#ifndef BASE_LOG_FLOOD_H
#define BASE_LOG_FLOOD_H

#include "base/clock.h"
#include "base/log_sink.h"

/* Whether this message, the next of its group, is to be written. If not, it has been counted. */
bool log_flood_admit(const struct log_group *group, const void *payload, size_t size) MUST_USE;

/* When the next summary is due; USEC_NEVER: none. */
usec_t log_flood_due(void);

/* Fills in a summary that is due at this moment, without kind and time: the group's; NULL: there is
 * none. */
const struct log_group *log_flood_take(usec_t now, struct log_line *line);

#endif
