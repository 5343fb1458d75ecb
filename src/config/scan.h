/* The words of a configuration file, one by one.
 *
 * This scanner goes over the text before libconfuse's, for what version 3.3 does badly: it
 * miscounts the lines of comments, takes none inside a list, takes a missing environment variable
 * for an empty one, cuts a text at "\0", and skips stray characters. Here comments become blanks,
 * the rest errors. Both split the text alike.
 *
 * lookalikes_note: web pages and word processors replace quotes and blanks. A line with such is
 * told so once; they are overwritten with what was meant, so that the rest can be read. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problems.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD, /* quoted or not */
    TOKEN_OPEN, /* { */
    TOKEN_CLOSE,
    TOKEN_ASSIGN, /* = */
    TOKEN_APPEND, /* += */
    TOKEN_COMMA,
    TOKEN_PAREN_OPEN,
    TOKEN_PAREN_CLOSE,
    TOKEN_BAD, /* a problem was noted; the text ends here */
};

struct token {
    enum token_kind kind;
    size_t start, end; /* of the text, quotes included */
    int line;
};

struct scan {
    char *text; /* NUL-terminated; the caller's */
    size_t size;
    size_t at;
    int line;
    bool bad;
    int quotes_told, blanks_told; /* the last line whose lookalikes were told (scan.c) */
    struct problems *problems;
};

/* Starts after so many lines, and a UTF-8 byte order mark. text[size] must be NUL. */
void scan_init(struct scan *scan, char *text, size_t size, int before, struct problems *problems);

/* The next token. After TOKEN_BAD and TOKEN_END, the same again. */
struct token scan_next(struct scan *scan);

/* Writes a TOKEN_WORD, without quotes; cuts what does not fit. Variables are marked
 * (config/variables.h). */
void scan_word(const struct scan *scan, struct token token, char *buf, size_t size);

/* Line ends stay. */
void scan_blank(struct scan *scan, size_t start, size_t end);

/* Ends the text here. */
void scan_cut(struct scan *scan, size_t at);

#endif
