/* Files that a person named: regular ones alone are read. Whatever else may stand at a path, a FIFO
 * above all, could block its reader for ever. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/check.h"

/* Reads a file into buf, at most size bytes, and sets *ret_n. 0; -EBADF if it is no regular file
 * (or a link to one), with *ret_kind a clause such as "this is a FIFO"; or another -errno of
 * stat(2), open(2) and read(2): -EAGAIN for one of the kernel's that has nothing to say now, as
 * /proc/kmsg. Never waits but for the medium, and what is no regular file is not opened, which
 * alone could have an effect on it. Any thread. */
int file_read(const char *path, void *buf, size_t size, size_t *ret_n,
              const char **ret_kind) MUST_USE;

#endif
