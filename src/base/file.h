/* Files that a person named. Reads only regular ones: others, above all FIFOs, could block for
 * ever. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

#include "base/check.h"

/* Reads at most size bytes. 0; -EBADF: no regular file (or link to one), *ret_kind is a clause
 * ("this is a FIFO"); or another -errno of stat(2), open(2), read(2), such as -EAGAIN from
 * /proc/kmsg. Waits for the medium alone. Opens only regular files: open may have an effect. Any
 * thread. */
int file_read(const char *path, void *buf, size_t size, size_t *ret_n,
              const char **ret_kind) MUST_USE;

#endif
