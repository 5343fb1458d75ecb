#include "config/scan.h"

#include <string.h>

#include "base/check.h"
#include "config/variables.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void scan_init(struct scan *scan, char *text, size_t size, int before, struct problems *problems) {
    *scan = (struct scan){.text = text, .size = size, .line = before + 1, .problems = problems};
    if (size >= strlen(BYTE_ORDER_MARK) &&
        memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        scan_blank(scan, 0, strlen(BYTE_ORDER_MARK));
}

void scan_blank(struct scan *scan, size_t start, size_t end) {
    for (size_t i = start; i < end; i++)
        if (scan->text[i] != '\n')
            scan->text[i] = ' ';
}

void scan_cut(struct scan *scan, size_t at) {
    scan->text[at] = '\0';
    scan->size = at;
    scan->at = at;
    scan->bad = true;
}

static struct token bad_token(struct scan *scan, struct token token) {
    scan_cut(scan, token.start);
    token.kind = TOKEN_BAD;
    token.end = token.start;
    return token;
}

static bool is_control(char c) {
    return ((unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

static bool is_word_char(char c) {
    return !is_control(c) && !strchr(" #\"'\t\n\r={}()+,*", c);
}

static bool starts_with(const struct scan *scan, size_t at, const char *what) {
    return strncmp(scan->text + at, what, strlen(what)) == 0;
}

/* Overwrites the comment that starts at scan->at; false if a C comment has no end. */
static bool skip_comment(struct scan *scan) {
    size_t start = scan->at, end;

    if (starts_with(scan, start, "/*")) {
        const char *close = strstr(scan->text + start + 2, "*/");

        if (!close)
            return false;
        end = (size_t)(close - scan->text) + 2;
        for (size_t i = start; i < end; i++)
            scan->line += scan->text[i] == '\n';
    } else {
        end = start;
        while (end < scan->size && scan->text[end] != '\n')
            end++;
    }
    scan_blank(scan, start, end);
    scan->at = end;
    return true;
}

/* lookalikes_note, in UTF-8 */
static const struct lookalike {
    const char *bytes;
    bool quotes;
    const char *what;
} lookalikes[] = {
    {"\xe2\x80\x9c", true, "a typographic quote (U+201C)"},
    {"\xe2\x80\x9d", true, "a typographic quote (U+201D)"},
    {"\xe2\x80\x9e", true, "a typographic quote (U+201E)"},
    {"\xe2\x80\x98", true, "a typographic quote (U+2018)"},
    {"\xe2\x80\x99", true, "a typographic quote (U+2019)"},
    {"\xc2\xa0", false, "a no-break space (U+00A0)"},
};

static const struct lookalike *find_lookalike(const struct scan *scan, size_t at) {
    if ((unsigned char)scan->text[at] < 0x80)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(lookalikes); i++)
        if (starts_with(scan, at, lookalikes[i].bytes))
            return &lookalikes[i];
    return NULL;
}

/* The quote that ends a word which begins at start, on its line: a typographic one, or a true one.
 * scan->size: none does. */
static size_t find_closing(const struct scan *scan, size_t start) {
    for (size_t at = start; at < scan->size && scan->text[at] != '\n'; at++) {
        const struct lookalike *lookalike = find_lookalike(scan, at);

        if ((lookalike != NULL && lookalike->quotes) || scan->text[at] == '"' ||
            scan->text[at] == '\'')
            return at;
    }
    return scan->size;
}

/* Tells of the lookalike at scan->at, and overwrites it. */
static void mend_lookalike(struct scan *scan, const struct lookalike *found) {
    size_t length = strlen(found->bytes), start = scan->at, end = start + length;
    bool within = start > 0 && is_word_char(scan->text[start - 1]);
    size_t closing = found->quotes && !within ? find_closing(scan, end) : scan->size;
    int *told = found->quotes ? &scan->quotes_told : &scan->blanks_told;

    if (*told != scan->line)
        problems_add(scan->problems, scan->line, "%s stands here; write %s in its place",
                     found->what, found->quotes ? "\"" : "a blank");
    *told = scan->line;
    scan_blank(scan, start, end);
    if (closing == scan->size)
        return;
    char quote = scan->text[closing];
    if (quote != '"' && quote != '\'') {
        quote = '"';
        scan_blank(scan, closing, closing + length);
        scan->text[closing] = quote;
    }
    scan->text[end - 1] = quote;
}

/* To the next byte that belongs to a token; false at a comment without an end. */
static bool skip_blanks(struct scan *scan) {
    for (;;) {
        const struct lookalike *found = find_lookalike(scan, scan->at);
        char c = scan->text[scan->at];

        if (c == '\n')
            scan->line++;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            scan->at++;
        else if (found != NULL)
            mend_lookalike(scan, found);
        else if (c != '#' && !starts_with(scan, scan->at, "//") &&
                 !starts_with(scan, scan->at, "/*"))
            return true;
        else if (!skip_comment(scan))
            return false;
    }
}

static const char no_variable[] =
    "\"${\" begins a variable of the environment, as in ${NAME}; where the two characters "
    "themselves are meant, single quotes take them as they are";

/* Marks the variable that begins at scan->at, and moves behind it. False: it is none. */
static bool pass_variable(struct scan *scan) {
    size_t n = variables_mark(scan->text + scan->at);

    scan->at += n;
    return n > 0;
}

/* What is wrong with the quoted word at scan->at, or NULL; moves behind its closing quote. */
static const char *skip_quoted(struct scan *scan) {
    char quote = scan->text[scan->at++];
    bool typographic = false;

    for (;; scan->at++) {
        const char *p = scan->text + scan->at;
        const struct lookalike *lookalike = find_lookalike(scan, scan->at);

        typographic |= lookalike != NULL && lookalike->quotes;
        if (scan->at == scan->size || *p == '\n')
            return typographic ? "the quote is not closed on its line: a typographic one "
                                 "(U+201C, U+201D, U+2018, U+2019) does not close it"
                               : "the quote is not closed on its line";
        if (is_control(*p))
            return "there is a control character between the quotes";
        if (*p == quote) {
            scan->at++;
            return NULL;
        }
        if (quote == '"' && p[0] == '$' && p[1] == '{') {
            if (!pass_variable(scan))
                return no_variable;
            scan->at--;
            continue;
        }
        if (quote == '\'' && p[0] == '\\' && (p[1] == '\\' || p[1] == '\''))
            scan->at++;
        if (quote == '"' && *p == '\\') {
            if (p[1] == '\0' || !strchr("\"\\$", p[1]))
                return "between double quotes, \"\\\" goes only before \", \\ or $; "
                       "single quotes take it as it is";
            scan->at++;
        }
    }
}

static const char *skip_plain(struct scan *scan) {
    while (scan->at < scan->size && is_word_char(scan->text[scan->at]) &&
           find_lookalike(scan, scan->at) == NULL) {
        if (!starts_with(scan, scan->at, "${"))
            scan->at++;
        else if (!pass_variable(scan))
            return no_variable;
    }
    return NULL;
}

static enum token_kind kind_of_mark(char c) {
    switch (c) {
    case '{':
        return TOKEN_OPEN;
    case '}':
        return TOKEN_CLOSE;
    case '=':
        return TOKEN_ASSIGN;
    case ',':
        return TOKEN_COMMA;
    case '(':
        return TOKEN_PAREN_OPEN;
    case ')':
        return TOKEN_PAREN_CLOSE;
    default:
        return TOKEN_BAD;
    }
}

static struct token scan_one_word(struct scan *scan, struct token token) {
    bool quoted = scan->text[scan->at] == '"' || scan->text[scan->at] == '\'';
    const char *why = quoted ? skip_quoted(scan) : skip_plain(scan);

    if (why) {
        problems_add(scan->problems, token.line, "%s", why);
        return bad_token(scan, token);
    }
    token.kind = TOKEN_WORD;
    token.end = scan->at;
    return token;
}

struct token scan_next(struct scan *scan) {
    bool closed = skip_blanks(scan);
    struct token token = {.start = scan->at, .end = scan->at, .line = scan->line};
    char c = scan->text[scan->at];

    if (scan->bad) {
        token.kind = TOKEN_BAD;
        return token;
    }
    if (scan->at == scan->size)
        return token;
    if (!closed) {
        problems_add(scan->problems, token.line, "the comment that starts here is never closed");
        return bad_token(scan, token);
    }
    if (c == '"' || c == '\'' || is_word_char(c))
        return scan_one_word(scan, token);
    token.kind = kind_of_mark(c);
    if (starts_with(scan, scan->at, "+="))
        token.kind = TOKEN_APPEND;
    scan->at += token.kind == TOKEN_APPEND ? 2 : 1;
    token.end = scan->at;
    if (token.kind != TOKEN_BAD)
        return token;
    if (is_control(c))
        problems_add(scan->problems, token.line, "byte 0x%02x cannot stand in a text file",
                     (unsigned)(unsigned char)c);
    else
        problems_add(scan->problems, token.line, "\"%c\" is only known between quotes", c);
    return bad_token(scan, token);
}

void scan_word(const struct scan *scan, struct token token, char *buf, size_t size) {
    size_t used = 0, at = token.start, end = token.end;
    char quote = scan->text[at];

    if (quote != '"' && quote != '\'')
        quote = '\0';
    else
        at++, end--;
    for (; at < end && used + 1 < size; at++) {
        const char *p = scan->text + at;

        if (*p == '\\' && (quote == '"' || (quote == '\'' && (p[1] == '\\' || p[1] == '\''))))
            p = scan->text + ++at;
        buf[used++] = *p;
    }
    buf[used] = '\0';
}
