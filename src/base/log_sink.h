/* Where finished messages go: the journal, or stderr. Private to base/log. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

#define LOG_FIELDS_MAX 16
#define LOG_FIELD_ROOM 2048

/* One message on its way out: a sentence and NAME=value fields. */
struct log_line {
    enum log_kind kind;
    int64_t realtime_usec; /* when it was said */
    char text[LOG_TEXT_MAX];
    char room[LOG_FIELD_ROOM]; /* the fields, each "NAME=value" and its NUL */
    size_t used;
    const char *fields[LOG_FIELDS_MAX];
    size_t n_fields;
};

struct log_kind_info {
    enum log_level level;
    const char *id; /* MESSAGE_ID */
};

extern const struct log_kind_info log_kind_infos[MSG_COUNT];

/* Decides between the journal and stderr, from $JOURNAL_STREAM. Once, before the first write. */
void log_sink_open(void);

/* Writes it, whole, or nothing of it: 0 or -errno. May block for as long as the reader of the log
 * does; once *give_up is set, the next interrupt ends that (-EINTR). What could be written of a
 * line in part only (a disk that is just full) is kept, and its rest goes before the next one. One
 * thread at a time. */
int log_sink_write(const struct log_line *line, const atomic_bool *give_up) MUST_USE;

/* Whether a line is there in part; and writes the rest of it, if it can be written now. */
bool log_sink_is_torn(void);
void log_sink_finish(const atomic_bool *give_up);

#endif
