/* Bytes as an operator writes them: \r, \n, \t, \xNN (two hexadecimal digits) and \\; all else is
 * what it is. Pure; any thread. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Writes at most size bytes to buf, and into *ret_n how many it would be: never more than the text
 * has. False: a backslash stands before something else, and *ret_n is left alone. */
bool bytes_decode(const char *text, char *buf, size_t size, size_t *ret_n) MUST_USE;

#endif
