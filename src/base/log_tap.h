/* Who listens to the log inside this process: each message as a line of JSON (log_format = json),
 * beside the sink and before it.
 *
 * A listener has a bounded ring. What finds it full is lost to this listener, who is told how many
 * in a line of its own ({"lost":12}); nobody waits for him. The last events are kept for who comes
 * later. */
#ifndef BASE_LOG_TAP_H
#define BASE_LOG_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/log.h"

#define LOG_TAP_ROOM ((size_t)1 << 18) /* bytes of a ring */
#define LOG_TAP_KEPT 100               /* events */

enum log_tap_hears {
    LOG_TAP_ENDS = 1,     /* of connections: all, whatever the log gets */
    LOG_TAP_REQUESTS = 2, /* the same */
    LOG_TAP_EVENTS = 4,   /* every other message that the log gets, after the kept ones */
};

/* Whether this listener gets it. The log thread asks, under a leaf lock. */
struct log_line;
typedef bool log_tap_wants_fn(const void *arg, const struct log_line *line);

/* A field's value; "": it has none. */
const char *log_line_value(const struct log_line *line, const char *name);
bool log_line_failed(const struct log_line *line); /* refused, cut off, or no good answer */
bool log_line_is_request(const struct log_line *line);

/* hears: one of them, or ends and requests. wants: NULL: all; arg must stay until log_tap_close.
 * NULL: no memory. Any thread. */
struct log_tap;
struct log_tap *log_tap_open(unsigned hears, log_tap_wants_fn *wants, const void *arg);
void log_tap_close(struct log_tap *tap); /* NULL is fine */

/* Moves bytes of whole and partial lines to buf; returns how many. Any thread, one at a time. */
size_t log_tap_take(struct log_tap *tap, char *buf, size_t size);
bool log_tap_has(struct log_tap *tap); /* bytes for log_tap_take */

/* The kept events, oldest first, each a line. wants: by kind; NULL: all. The caller frees it; NULL:
 * no memory. Any thread. */
char *log_tap_kept(bool (*wants)(enum log_kind kind)) MUST_USE;

/* Whether somebody listens to one of these (ends, requests). Any thread, no lock. */
bool log_tap_hears(unsigned which);

/* base/log's: whether it is the end of one connection, or one request, and somebody listens. */
bool log_tap_is_heard(enum log_kind kind);

/* Gives a finished line to who wants it, and keeps it if it is an event. The log thread, or the
 * only thread. */
void log_tap_give(const struct log_line *line);

/* So many ends or requests found no place in the log's ring. The same. */
void log_tap_lose(uint64_t count);

#endif
