/* Whether a file is still the one that was read: what stat(2) says of it. Any thread. */
#ifndef TLS_MARK_H
#define TLS_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

/* All 0: there was none. */
struct file_mark {
    uint64_t device, inode, size;
    int64_t changed; /* nanoseconds since 1970 */
};

/* Taken before the file is read, so that no change is lost. */
struct file_mark file_mark_take(const char *path);

bool file_mark_is(const struct file_mark *mark, const char *path);

#endif
