/* Writes so many messages of a group a second; the rest is one line with their number. Private to
 * base/log; the log thread's alone, unless it says otherwise. */
#ifndef BASE_LOG_FLOOD_H
#define BASE_LOG_FLOOD_H

#include "base/clock.h"
#include "base/log_sink.h"

/* Whether the next message is to be written; else counts it. */
bool log_flood_admit(const struct log_group *group, const void *payload, size_t size) MUST_USE;

/* Whether the group has had its number for this second: then one more is counted. Any thread. */
bool log_flood_count(const struct log_group *group) MUST_USE;

/* When the next summary is due; USEC_NEVER: none. */
usec_t log_flood_due(void);

/* Fills in a due summary, but for kind and time; returns its group. NULL: none. */
const struct log_group *log_flood_take(usec_t now, struct log_line *line);

#endif
