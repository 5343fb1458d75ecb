/* Foreign text made safe: it cannot forge a line, field or colour of the log, nor hide. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* What else is escaped: */
enum escape {
    ESCAPE_UNPRINTABLE = 0,
    ESCAPE_BLANKS = 1,    /* stays one word, imitates no KEY=value */
    ESCAPE_BACKSLASH = 2, /* the bytes can be read back */
    ESCAPE_FOREIGN = ESCAPE_BLANKS | ESCAPE_BACKSLASH,
};

/* Returns buf (at least 1 byte). Becomes \xNN, byte by byte: controls (ASCII, and C1 of ISO 6429),
 * what is no UTF-8 (RFC 3629, 3), characters that end a line, turn the writing direction or are
 * invisible. Cuts between characters. */
char *escape_text(const char *bytes, size_t n, enum escape what, char *buf, size_t size);

/* What stands between the quotation marks of JSON (RFC 8259, 7), of a text in UTF-8. Returns buf
 * (at least 1 byte; ESCAPE_JSON_MAX for each of the text, and NUL, suffice). */
#define ESCAPE_JSON_MAX 6
char *escape_json(const char *text, char *buf, size_t size);

#endif
