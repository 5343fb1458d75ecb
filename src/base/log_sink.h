/* Where finished messages go: the journal, or stderr. Private to base/log. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/log_line.h"

/* Chooses by $JOURNAL_STREAM, and whether a terminal reads it. Once, before the first write. */
void log_sink_open(void);

/* All or nothing: 0 or -errno. May block as long as the log's reader; once *give_up is set, the
 * next interrupt ends that (-EINTR). The rest of a torn line (the disk is full) is kept and goes
 * before the next. One thread at a time. */
int log_sink_write(const struct log_line *line, const atomic_bool *give_up) MUST_USE;

/* Whether a line is written in part; writes its rest, if possible. */
bool log_sink_is_torn(void);
void log_sink_finish(const atomic_bool *give_up);

#endif
