/* Bytes that are appended, in memory that doubles when it is full. Zeroed, it is empty. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct buffer {
    char *bytes; /* malloc(3)'s: n, and a NUL; NULL: none yet */
    size_t n, room;
    bool failed; /* there was no memory: it is not whole, and nothing more is appended */
};

/* Where n more and a NUL fit. The caller writes them, or fewer, and calls buffer_wrote. NULL: no
 * memory. */
char *buffer_reserve(struct buffer *buffer, size_t n) MUST_USE;

/* Up to here. */
void buffer_wrote(struct buffer *buffer, char *end);

void buffer_add(struct buffer *buffer, const char *bytes, size_t n);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_number(struct buffer *buffer, uint64_t number);

/* What stands between the quotation marks of JSON. */
void buffer_add_json(struct buffer *buffer, const char *text);

/* Frees the bytes; it is empty. */
void buffer_free(struct buffer *buffer);

#endif
