/* What a write has failed of that came after others of the same bytes.
 *
 * A write to a unix socket that had carried some bytes when that was reset says how many, and no
 * more, but has taken the error (sock_alloc_send_pskb() in the kernel). The next one is told EPIPE,
 * as if the peer had closed in order. What it did is not known then; who closes while it is sent to
 * has most likely left bytes unread, and nothing that was cut off may look whole. */
#ifndef CONN_UNSENT_H
#define CONN_UNSENT_H

#include <errno.h>
#include <stdbool.h>

#include "conn/source.h"

/* error: an errno, of a write to fd. cut_short: the one before carried only a part. */
static inline int unsent_error(int fd, int error, bool cut_short) {
    return error == EPIPE && cut_short && !source_is_tcp(fd) ? ECONNRESET : error;
}

#endif
