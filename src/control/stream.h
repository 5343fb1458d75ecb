/* Answers that go on until the client goes: lines of the log (base/log_tap.h).
 *
 * The connection is suspended while there is nothing to say; the site's thread looks so often
 * (STREAM_LOOK_MSEC) whether there is, so that whoever logs need not wake it. */
#ifndef CONTROL_STREAM_H
#define CONTROL_STREAM_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "base/log_tap.h"
#include "control/filter.h"
#include "control/request_filter.h"

#define STREAM_LOOK_MSEC 100
#define STREAMS_MOST     8 /* at once, in the process */

struct stream;
LIST_HEAD(stream_list, stream);

/* What is wanted. The filter is of ends and requests alone. */
struct stream_wish {
    struct filter filter;
    struct request_filter request; /* with what it hears */
};

/* NULL: no memory, or STREAMS_MOST are there (*ret_full). */
struct stream *stream_new(const struct stream_wish *wish, bool *ret_full);
void stream_free(struct stream *stream); /* NULL is fine */

/* An answer of it, which it belongs to from now on, at the connection of this descriptor. NULL: no
 * memory, and it is freed. The site's thread's, as all that follows. */
struct MHD_Response *stream_respond(struct stream *stream, struct stream_list *list,
                                    struct MHD_Connection *connection, int fd);

/* Goes on with those that have something to say, or whose client has gone. */
void stream_look(struct stream_list *list);

/* Ends all; a last MHD_run sends the ends. */
void stream_end_all(struct stream_list *list);

#endif
