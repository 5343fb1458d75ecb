/* One message: a sentence and fields. Private to base/log. */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define LOG_FIELDS_MAX 40
#define LOG_FIELD_ROOM 6144

struct log_line {
    enum log_kind kind;
    int64_t realtime_usec; /* when it was logged */
    char text[LOG_TEXT_MAX];
    char room[LOG_FIELD_ROOM]; /* each "NAME=value" and NUL */
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

/* On stderr. */
enum log_look {
    LOG_LOOK_TEXT,   /* time, level, the sentence, fields */
    LOG_LOOK_JSON,   /* an object */
    LOG_LOOK_PLAIN,  /* at a terminal: the sentence, */
    LOG_LOOK_COLOUR, /* by its level in colour */
};

#define LOG_LINE_SIZE (4 * (LOG_TEXT_MAX + LOG_FIELD_ROOM)) /* every line fits */

/* With newline, without NUL: the length. */
size_t log_render(const struct log_line *line, enum log_look look, char buf[LOG_LINE_SIZE]);

#endif
