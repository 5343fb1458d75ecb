/* What another process has written into memory that this one takes for a struct. Pure; any
 * thread. */
#ifndef BASE_FOREIGN_H
#define BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/clock.h"

/* Whether a byte is a bool: none may be read before that is known, since the compiler relies on 0
 * or 1 (C11, 6.2.6.1). */
bool foreign_is_bool(const void *byte);

/* Of a byte that may be no bool: all but 0 is taken for true. */
bool foreign_is_true(const void *byte);

/* A text in so many bytes: with its NUL, of visible characters of ASCII alone; "" is one. */
bool foreign_is_word(const char *word, size_t size);

/* A text of any bytes that ends within so many. */
bool foreign_is_text(const char *text, size_t size);

/* A moment that has been, or 0. */
bool foreign_is_moment(usec_t moment, usec_t now);

/* An address, or none. */
bool foreign_is_addr(const struct addr *addr);

#endif
