/* What is asked of a head that was parsed. */
#include <string.h>

#include "base/bytes.h"
#include "wire/http1_parse.h"

const struct http1_field *http1_find(const struct http1_head *head, enum http1_name name) {
    for (size_t i = 0; i < head->n_fields; i++)
        if (head->fields[i].known == name)
            return &head->fields[i];
    return NULL;
}

bool http1_is(const char *bytes, struct http1_span span, const char *text) {
    for (size_t i = 0; i < span.n; i++)
        if (text[i] == '\0' || http1_lower(bytes[span.at + i]) != http1_lower(text[i]))
            return false;
    return text[span.n] == '\0';
}

bool http1_lists(const char *bytes, struct http1_span list, const char *member) {
    size_t at = list.at;
    struct http1_span one;

    while (http1_next_member(bytes, list, &at, &one))
        if (one.n > 0 && http1_is(bytes, one, member))
            return true;
    return false;
}

bool http1_has_news(const char *bytes, size_t seen, size_t n) {
    return n >= HTTP1_HEAD_MAX ||
           (n > seen && (seen == 0 || memchr(bytes + seen, '\n', n - seen) != NULL));
}

/* "." or "..", and what begins like them before a ";", which some servers cut off. */
static bool is_dot_segment(const char *segment, size_t n) {
    size_t dots = 0;

    while (dots < n && segment[dots] == '.')
        dots++;
    return (dots == 1 || dots == 2) && (dots == n || segment[dots] == ';');
}

/* At a "%": two digits follow, and what they stand for does not change which path it is. */
static bool is_plain_escape(const char *text, size_t n) {
    int high = n > 2 ? bytes_hex_digit(text[1]) : -1, low = n > 2 ? bytes_hex_digit(text[2]) : -1;

    if (high < 0 || low < 0)
        return false;
    switch (high * 16 + low) {
    case '\0':
    case '.':
    case '/':
    case '\\':
        return false;
    default:
        return true;
    }
}

bool http1_path_is_plain(const char *bytes, struct http1_span path) {
    const char *text = bytes + path.at;
    size_t segment = 1;

    if (path.n == 0 || text[0] != '/')
        return false;
    for (size_t i = 1; i < path.n; i++) {
        if (text[i] == '\\' || (text[i] == '%' && !is_plain_escape(text + i, path.n - i)))
            return false;
        if (text[i] == '/') {
            if (i == segment || is_dot_segment(text + segment, i - segment))
                return false;
            segment = i + 1;
        }
    }
    return !is_dot_segment(text + segment, path.n - segment);
}
