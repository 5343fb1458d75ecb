/* Where finished messages go: the journal, or stderr. Private to base/log. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

#define LOG_FIELDS_MAX 40
#define LOG_FIELD_ROOM 4096

/* One message on its way out: a sentence and fields. */
struct log_line {
    enum log_kind kind;
    int64_t realtime_usec; /* when it was logged */
    char text[LOG_TEXT_MAX];
    char room[LOG_FIELD_ROOM]; /* the fields, each "NAME=value" and its NUL */
    size_t used;
    struct {
        const char *text; /* in the room */
        bool number;
    } fields[LOG_FIELDS_MAX];
    size_t n_fields;
};

struct log_kind_info {
    enum log_level level;
    const char *id; /* MESSAGE_ID */
};

extern const struct log_kind_info log_kind_infos[MSG_COUNT];

/* Chooses journal or stderr by $JOURNAL_STREAM. Once, before the first write. */
void log_sink_open(void);

/* Writes all of it or nothing: 0 or -errno. May block as long as the log's reader; once *give_up is
 * set, the next interrupt ends that (-EINTR). The rest of a line written in part (the disk is just
 * full) is kept and goes before the next. One thread at a time. */
int log_sink_write(const struct log_line *line, const atomic_bool *give_up) MUST_USE;

/* Whether a line is written in part; writes its rest, if possible now. */
bool log_sink_is_torn(void);
void log_sink_finish(const atomic_bool *give_up);

#endif
