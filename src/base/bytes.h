/* Bytes as operators write them: \r, \n, \t, \xNN (two hexadecimal digits), \\; else as is. Pure;
 * any thread. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Writes at most size bytes; *ret_n: how many there are, at most the text's. False: a backslash
 * before something else; *ret_n is untouched. */
bool bytes_decode(const char *text, char *buf, size_t size, size_t *ret_n) MUST_USE;

/* 0 to 15, or -1. */
int bytes_hex_digit(char c);

#endif
