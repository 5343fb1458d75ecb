/* Foreign text made safe to print: nobody can forge a line, a field or a colour of the log with it,
 * nor hide in it. */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* What is escaped besides. */
enum escape {
    ESCAPE_UNPRINTABLE = 0,
    ESCAPE_BLANKS = 1,    /* so that it stays one word, and imitates no KEY=value beside it */
    ESCAPE_BACKSLASH = 2, /* so that the bytes can be read back from the text */
    ESCAPE_FOREIGN = ESCAPE_BLANKS | ESCAPE_BACKSLASH,
};

/* Writes n bytes as text into buf, which has size bytes, at least 1, and returns buf. Each byte of
 * what cannot be printed becomes \xNN: controls (of ASCII, and C1 of ISO 6429), bytes that are no
 * UTF-8 (RFC 3629, 3), characters that end a line, turn the direction of writing or cannot be seen.
 * What does not fit is cut between characters. */
char *escape_text(const char *bytes, size_t n, enum escape what, char *buf, size_t size);

#endif
