/* Foreign text made safe to print: it cannot forge a line, a field or a colour of the log, nor hide
 * in it. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* What else is escaped: */
enum escape {
    ESCAPE_UNPRINTABLE = 0,
    ESCAPE_BLANKS = 1,    /* so that it stays one word and imitates no KEY=value */
    ESCAPE_BACKSLASH = 2, /* so that the bytes can be read back */
    ESCAPE_FOREIGN = ESCAPE_BLANKS | ESCAPE_BACKSLASH,
};

/* Writes n bytes as text into buf (at least 1 byte) and returns buf. What cannot be printed becomes
 * \xNN, byte by byte: controls (ASCII, and C1 of ISO 6429), what is no UTF-8 (RFC 3629, 3),
 * characters that end a line, turn the direction of writing or are invisible. Cuts between
 * characters. */
char *escape_text(const char *bytes, size_t n, enum escape what, char *buf, size_t size);

#endif
