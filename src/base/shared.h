/* Memory that several processes map, sealed so that nobody can shorten it (F_SEAL_SHRINK and
 * others, fcntl(2)). */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Zeroed: its descriptor, or -errno. */
int shared_new(const char *name, size_t size) MUST_USE;

/* Whether it is such memory, of this size for good. */
bool shared_is_sealed(int fd, size_t size);

#endif
