/* The locale is "C" in relayd, so that each byte is a character. */
#include "base/pattern.h"

#include <limits.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct pattern {
    bool is_regex;
    regex_t regex;
    size_t n;
    char bytes[PATTERN_MOST];
};

const char PATTERN_NO_MEMORY[] = "out of memory";

static const char *read_bytes(struct pattern *pattern, const char *text) {
    if (!bytes_decode(text, pattern->bytes, sizeof(pattern->bytes), &pattern->n))
        return "after \"\\\" only r, n, t, \\ or x and two hexadecimal digits are known";
    return NULL;
}

/* Whether a backslash stands before a digit, or a brace without one. */
static bool is_costly(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '{')
            return true;
        if (*text == '\\' && *++text >= '0' && *text <= '9')
            return true;
        if (*text == '\0')
            break;
    }
    return false;
}

static const char *read_regex(struct pattern *pattern, const char *text) {
    if (text[0] == '\0')
        return "behind the \"~\" a regular expression must follow";
    if (is_costly(text))
        return "a regular expression must have no back-references and no counts in braces";
    switch (regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB)) {
    case 0:
        pattern->is_regex = true;
        return NULL;
    case REG_ESPACE:
        return PATTERN_NO_MEMORY;
    default:
        return "is no extended regular expression (regex(7))";
    }
}

struct pattern *pattern_new(const char *text, const char **ret_why) {
    struct pattern *pattern = calloc(1, sizeof(*pattern));
    const char *why;

    if (pattern == NULL)
        why = PATTERN_NO_MEMORY;
    else if (text[0] == '\0')
        why = "must not be empty";
    else if (strlen(text) > PATTERN_MOST)
        why = "must not be longer than 255 bytes";
    else
        why = text[0] == '~' ? read_regex(pattern, text + 1) : read_bytes(pattern, text);
    if (why == NULL)
        return pattern;
    *ret_why = why;
    free(pattern);
    return NULL;
}

void pattern_free(struct pattern *pattern) {
    if (pattern != NULL && pattern->is_regex)
        regfree(&pattern->regex);
    free(pattern);
}

bool pattern_found(const struct pattern *pattern, const char *bytes, size_t n) {
    regmatch_t range = {.rm_so = 0, .rm_eo = n < INT_MAX ? (regoff_t)n : INT_MAX};

    if (!pattern->is_regex)
        return memmem(bytes, n, pattern->bytes, pattern->n) != NULL;
    /* REG_STARTEND: up to there, whatever NULs come before. (The one behind them is for sanitizers,
     * who look for it.) */
    return regexec(&pattern->regex, bytes, 0, &range, REG_STARTEND) == 0;
}
