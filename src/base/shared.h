/* Memory that several processes map: sealed, so that nobody who has its descriptor can make it
 * shorter under the feet of the others (F_SEAL_SHRINK and others, fcntl(2)). */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* New memory of so many bytes, all 0: its descriptor, or -errno. */
int shared_new(const char *name, size_t size) MUST_USE;

/* Whether this is such memory, of this size, now and for as long as it exists. */
bool shared_is_sealed(int fd, size_t size);

#endif
