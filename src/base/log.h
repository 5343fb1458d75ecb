/* Any thread logs, one thread writes, nobody waits for the journal.
 *
 * Messages are copied into a ring. The log thread writes them natively to the journal, if stderr is
 * the journal's ($JOURNAL_STREAM, systemd.exec(5)); else as lines to stderr. What finds the ring
 * full or cannot be written (a full disk, no journal) is lost, and counted in the log once that
 * works again. A message is one printable line (base/escape.h). Before log_start and after log_stop
 * each thread writes its own. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* syslog(3)'s numbers, which the journal uses as PRIORITY. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

/* Each with its row's level, MESSAGE_ID and catalog text. */
enum log_kind {
#define MESSAGE(name, level, id, subject, explanation) MSG_##name,
#include "base/messages.def"
#undef MESSAGE
    MSG_COUNT
};

#define LOG_QUEUE_SIZE  4096 /* messages that may wait; of long ones half as many */
#define LOG_TEXT_MAX    640  /* bytes, with NUL; longer is cut */
#define LOG_SLOT_ROOM   1600 /* bytes of a payload; longer is a long one */
#define LOG_PAYLOAD_MAX 3200

/* What a formatter fills in, on the log thread. A field without value is left out. */
struct log_line;
void log_line_text(struct log_line *line, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_line_field(struct log_line *line, const char *name, const char *value);
void log_line_number(struct log_line *line, const char *name, unsigned long long number);

typedef void log_format_fn(struct log_line *line, const void *payload);

/* Any thread, no leaf lock held. Once started, blocks no longer than a copy. */
void log_msg(enum log_kind kind, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same with fields, up to one without a name; those without value are left out. */
struct log_field {
    const char *name, *value; /* "RELAYD_SERVER"; NULL or "": no value */
};
void log_msg_with(enum log_kind kind, const struct log_field *fields, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same for the road: copies at most LOG_PAYLOAD_MAX bytes; the log thread formats them. */
void log_event(enum log_kind kind, log_format_fn *format, const void *payload, size_t size);

/* Messages that could flood: above `each_second` none is written; at the second's end `more` gets
 * their number and the last. */
#define LOG_GROUP_COUNT 64

struct log_group {
    unsigned number; /* below LOG_GROUP_COUNT, one for each group */
    unsigned each_second;
    enum log_kind kind; /* the summary's */
    void (*more)(struct log_line *line, const void *last, unsigned long count);
};

/* The group lives as long as the process. */
void log_event_grouped(enum log_kind kind, log_format_fn *format, const void *payload, size_t size,
                       const struct log_group *group);

/* For who has to gather a payload first: true, and it is counted, if nobody would get it: its level
 * is not wanted, or the group has had its number for this second. Its summary's `last` is then not
 * the last. Any thread, no lock. */
bool log_passes_over(enum log_kind kind, const struct log_group *group);

/* The same for an end of a connection, or a request, that is not written: those alone get it who
 * listen (base/log_tap.h). Nobody does: nothing. Wakes no thread, unless the ring fills. */
void log_event_heard(enum log_kind kind, log_format_fn *format, const void *payload, size_t size);

/* Wakes the log thread: somebody listens. Any thread, no leaf lock held. */
void log_look(void);

/* Drops what is above it (less urgent). INFO until set. Any thread. */
void log_set_level(enum log_level level);

/* Of lines on stderr; the journal has its own fields. TEXT until set; at a terminal, sentences
 * alone. Any thread. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void log_set_format(enum log_format format);

/* 0 or -errno. One thread, once. */
int log_start(void) MUST_USE;

/* Writes what waits, then joins the thread. Waits at most a second for a stuck journal, ten for a
 * slow one. */
void log_stop(void);

#endif
