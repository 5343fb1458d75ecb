/* Files that a person named. Only regular files are read: anything else at the path, above all a
 * FIFO, could block the reader for ever. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/check.h"

/* Reads at most size bytes of a file into buf and sets *ret_n. 0; -EBADF: no regular file (or link
 * to one), *ret_kind is a clause such as "this is a FIFO"; or another -errno of stat(2), open(2)
 * and read(2), such as -EAGAIN from /proc/kmsg. Waits for the medium alone. Does not open what is
 * no regular file, which may have an effect. Any thread. */
int file_read(const char *path, void *buf, size_t size, size_t *ret_n,
              const char **ret_kind) MUST_USE;

#endif
