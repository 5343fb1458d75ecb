#include "http/cookie.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* One of the pieces of a field's value between semicolons. */
struct pair {
    const char *first, *end; /* whole, with blanks around it */
    const char *name;        /* without */
    size_t n_name;
    const char *value; /* what follows "="; NULL: there is none */
};

static bool is_cookie_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct pair pair_at(const char *first, const char *end) {
    struct pair pair = {.first = first};
    const char *equals = NULL, *name_end;

    while (first < end && is_cookie_blank(*first))
        first++;
    pair.name = first;
    for (; first < end && *first != ';'; first++)
        if (*first == '=' && equals == NULL)
            equals = first;
    pair.end = first;
    name_end = equals != NULL ? equals : first;
    while (name_end > pair.name && is_cookie_blank(name_end[-1]))
        name_end--;
    pair.n_name = (size_t)(name_end - pair.name);
    pair.value = equals != NULL ? equals + 1 : NULL;
    return pair;
}

/* However carelessly it is written: a server could read it so. */
static bool is_named(const struct pair *pair, const char *name, size_t n) {
    return pair->value != NULL && pair->n_name == n && memcmp(pair->name, name, n) == 0;
}

/* False: it is none as relayd writes it. */
static bool read_token(const char *text, size_t n, struct cookie_token *ret) {
    struct cookie_token token = {0, 0};

    if (n != COOKIE_TOKEN_TEXT)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;
        uint64_t six = digit != NULL ? (uint64_t)(digit - digits) : 0;

        if (digit == NULL || (i == n - 1 && (six & 0xf) != 0))
            return false;
        if (i == n - 1) { /* two bits of it count */
            token.high = token.high << 2 | token.low >> 62;
            token.low = token.low << 2 | six >> 4;
        } else {
            token.high = token.high << 6 | token.low >> 58;
            token.low = token.low << 6 | six;
        }
    }
    *ret = token;
    return true;
}

/* What one is: as RFC 6265, 4.2.1, has it, with one space before it, unless it is the first. */
static bool read_pair(const struct pair *pair, const char *value, size_t n_name,
                      struct cookie_token *ret) {
    const char *first = pair->first == value ? pair->first : pair->first + 1;

    return pair->name == first && (pair->first == value || *pair->first == ' ') &&
           pair->value == pair->name + n_name + 1 &&
           read_token(pair->value, (size_t)(pair->end - pair->value), ret);
}

struct cookie_token cookie_find(const char *bytes, const struct http1_head *head,
                                const char *name) {
    struct cookie_token found = {0, 0}, one;
    size_t n_name = strlen(name);

    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http1_field *field = &head->fields[i];
        const char *value = bytes + field->value.at, *end = value + field->value.n, *at = value;

        if (field->known != HTTP1_COOKIE || field->hop)
            continue;
        while (at < end) {
            struct pair pair = pair_at(at, end);

            at = pair.end + 1;
            if (!is_named(&pair, name, n_name))
                continue;
            if (!read_pair(&pair, value, n_name, &one) ||
                (!cookie_token_is_none(found) && !cookie_token_equal(found, one)))
                return (struct cookie_token){0, 0};
            found = one;
        }
    }
    return found;
}

/* A run of others' cookies; the first brings what stands before the value. */
static void keep_run(const char *bytes, const struct http1_field *field, const char *first,
                     const char *end, bool *begun, struct http_out *out) {
    if (first >= end)
        return;
    if (!*begun)
        http_out_keep(out, bytes + field->line.at, (size_t)(field->value.at - field->line.at));
    *begun = true;
    http_out_keep(out, first, (size_t)(end - first));
}

void cookie_pass(const char *bytes, const struct http1_field *field, const char *name,
                 struct http_out *out) {
    const char *value = bytes + field->value.at, *end = value + field->value.n;
    const char *at = value, *run = value; /* of what stays, from here on */
    size_t n_name = strlen(name);
    bool begun = false;

    while (at < end) {
        struct pair pair = pair_at(at, end);

        at = pair.end + 1;
        if (!is_named(&pair, name, n_name))
            continue;
        if (pair.first > run)
            keep_run(bytes, field, run, pair.first - 1, &begun, out);
        /* What follows is parted by the semicolon behind ours, unless it is the first. */
        run = begun ? pair.end : pair.end + 1;
        while (!begun && run < end && is_cookie_blank(*run))
            run++;
    }
    keep_run(bytes, field, run, end, &begun, out);
    if (begun)
        http_out_keep(out, end, (size_t)(bytes + field->line.at + field->line.n - end));
}

bool cookie_sets(const char *bytes, struct http1_span value, const char *name) {
    const char *first = bytes + value.at;
    struct pair pair = pair_at(first, first + value.n);

    return is_named(&pair, name, strlen(name));
}

/* Returns text. */
static const char *write_token(struct cookie_token token, char text[COOKIE_TOKEN_TEXT]) {
    for (size_t i = 0; i < COOKIE_TOKEN_TEXT; i++) {
        text[i] = digits[token.high >> 58];
        token.high = token.high << 6 | token.low >> 58;
        token.low <<= 6;
    }
    return text;
}

void cookie_add(struct cookie_token token, const char *name, bool secure, struct http_out *out) {
    char text[COOKIE_TOKEN_TEXT];

    http_out_text(out, "Set-Cookie: ");
    http_out_text(out, name);
    http_out_copy(out, "=", 1);
    http_out_copy(out, write_token(token, text), sizeof(text));
    http_out_text(out, secure ? "; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
                              : "; Path=/; HttpOnly; SameSite=Lax\r\n");
    http_out_text(out, "Cache-Control: private\r\n");
}
