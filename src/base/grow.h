/* Lists that double when they are full. */
#ifndef BASE_GROW_H
#define BASE_GROW_H

#include <stddef.h>

#include "base/check.h"

/* The list with room for one more: itself, or a bigger one instead. NULL: no memory, all as it
 * was. */
void *grow_list(void *list, size_t n, size_t *room, size_t size) MUST_USE;

#endif
