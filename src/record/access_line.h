/* What a line of the access log looks like: as nginx and Apache write it (combined), or an object
 * of JSON. */
#ifndef RECORD_ACCESS_LINE_H
#define RECORD_ACCESS_LINE_H

#include "config/config.h"
#include "record/request_record.h"

#define ACCESS_LINE_MAX 32768 /* every line fits */

/* The last second, as text: most lines are of the same one. Zeroed: none. */
struct access_clock {
    time_t second;
    enum access_format format;
    char text[40];
};

/* With newline, without NUL: the length. No byte of a client ends a line, a quotation or an object
 * but those that are written here: in combined all that is not printable ASCII, quotation marks and
 * backslashes are \xNN, as nginx has them. realtime_usec: when it was over, by the wall clock. */
size_t access_line_write(enum access_format format, const struct request_record *record,
                         int64_t realtime_usec, struct access_clock *clock,
                         char buf[ACCESS_LINE_MAX]);

#endif
