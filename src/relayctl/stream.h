/* An answer that comes line by line. */
#ifndef RELAYCTL_STREAM_H
#define RELAYCTL_STREAM_H

#include <signal.h>
#include <stdbool.h>

enum stream_end {
    STREAM_ENDED,   /* relayd has ended it */
    STREAM_NOBODY,  /* nobody answers; said on stderr, unless quiet (then also: not yet, as 503) */
    STREAM_REFUSED, /* said on stderr */
    STREAM_INTERRUPTED,
};

/* Calls on_line for each, without its newline, until the end or *interrupted is set. */
enum stream_end stream_read(const char *socket, const char *path, bool quiet,
                            const volatile sig_atomic_t *interrupted,
                            void (*on_line)(void *arg, const char *line), void *arg);

/* The same, beside other work. NULL: no memory. The caller closes it. */
struct stream_reading;
struct stream_reading *stream_open(const char *socket, const char *path,
                                   void (*on_line)(void *arg, const char *line), void *arg);

/* Waits for so long, or until something comes, or fd can be read (-1: none). False: it is over, and
 * nothing was said. */
bool stream_pump(struct stream_reading *reading, int fd, int msec);

void stream_close(struct stream_reading *reading); /* NULL is fine */

#endif
