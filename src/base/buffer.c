#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define BUFFER_FIRST ((size_t)256)
#define DIGITS_MAX   20 /* of 2^64 - 1 */

/* More than PTRDIFF_MAX is never there (malloc(3)). */
char *buffer_reserve(struct buffer *buffer, size_t n) {
    size_t needed = buffer->n + n + 1,
           room = buffer->room * 2 > BUFFER_FIRST ? buffer->room * 2 : BUFFER_FIRST;

    if (buffer->failed)
        return NULL;
    if (needed > buffer->room) {
        room = needed > room ? needed : room;
        char *more = n < PTRDIFF_MAX && room <= PTRDIFF_MAX ? realloc(buffer->bytes, room) : NULL;
        if (more == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->bytes = more;
        buffer->room = room;
    }
    return buffer->bytes + buffer->n;
}

void buffer_wrote(struct buffer *buffer, char *end) {
    *end = '\0';
    buffer->n = (size_t)(end - buffer->bytes);
}

void buffer_add(struct buffer *buffer, const char *bytes, size_t n) {
    char *to = buffer_reserve(buffer, n);

    if (to == NULL)
        return;
    memcpy(to, bytes, n);
    buffer_wrote(buffer, to + n);
}

void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, text, strlen(text));
}

void buffer_add_number(struct buffer *buffer, uint64_t number) {
    char digits[DIGITS_MAX];
    size_t n = 0;

    do
        digits[DIGITS_MAX - ++n] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    buffer_add(buffer, digits + DIGITS_MAX - n, n);
}

void buffer_add_json(struct buffer *buffer, const char *text) {
    size_t room = ESCAPE_JSON_MAX * strlen(text);
    char *to = buffer_reserve(buffer, room);

    if (to == NULL)
        return;
    buffer_wrote(buffer, to + strlen(escape_json(text, to, room + 1)));
}

void buffer_free(struct buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
