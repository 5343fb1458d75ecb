/* What the targets for HTTP/1 share: a head in every split, and one that is written anew. */
#ifndef HTTP1_FUZZ_H
#define HTTP1_FUZZ_H

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

struct fuzzed {
    enum http1_outcome outcome;
    struct http1_head head;
    struct http1_fault fault;
};

/* method: of the request that is answered; -1: it is a request. Of a copy, so that reading on is
 * noticed. */
static inline struct fuzzed fuzzed_parse(const char *bytes, size_t n, int method) {
    static struct fuzzed parsed;
    char *copy = malloc(n + (n == 0));

    memset(&parsed, 0, sizeof(parsed));
    CHECK(copy != NULL);
    if (n > 0)
        memcpy(copy, bytes, n);
    parsed.outcome = method < 0 ? http1_parse_request(copy, n, &parsed.head, &parsed.fault)
                                : http1_parse_answer(copy, n, (enum http1_method)method,
                                                     &parsed.head, &parsed.fault);
    free(copy);
    return parsed;
}

static inline void check_span(const struct http1_head *head, struct http1_span span) {
    CHECK((size_t)span.at + span.n <= head->length);
}

static inline void check_spans(const char *bytes, size_t n, const struct http1_head *head) {
    CHECK(head->length >= 4 && head->length <= n && head->length <= HTTP1_HEAD_MAX);
    CHECK(memcmp(bytes + head->length - 2, "\r\n", 2) == 0);
    CHECK(head->n_fields <= HTTP1_FIELDS_MAX);
    check_span(head, head->method_text);
    check_span(head, head->target);
    check_span(head, head->path);
    check_span(head, head->query);
    check_span(head, head->host);
    check_span(head, head->authority);
    check_span(head, head->reason);
    check_span(head, head->upgrade);
    for (size_t i = 0, at = 0; i < head->n_fields; i++) {
        const struct http1_field *field = &head->fields[i];
        struct http1_span line = field->line, name = field->name, value = field->value;

        check_span(head, line);
        CHECK(i == 0 || line.at == at); /* one behind the other */
        at = (size_t)line.at + line.n;
        CHECK(line.at == name.at && name.n > 0 && field->known < HTTP1_NAME_COUNT);
        CHECK(value.at > name.at + name.n && (size_t)value.at + value.n + 2 <= at);
        CHECK(memchr(bytes + line.at, '\r', line.n) == bytes + at - 2);
        CHECK(memchr(bytes + line.at, '\0', line.n) == NULL);
        CHECK(i + 1 < head->n_fields || at + 2 == head->length);
    }
}

/* MORE up to some byte, and from there on one outcome. */
static inline void check_prefixes(const char *bytes, size_t n, int method,
                                  const struct fuzzed *whole) {
    bool known = false;

    for (size_t i = 0; i < n; i += i < 300 || n - i < 10 ? 1 : 7) {
        struct fuzzed part = fuzzed_parse(bytes, i, method);

        CHECK(!known || part.outcome != HTTP1_MORE);
        known = part.outcome != HTTP1_MORE;
        CHECK(!known || part.outcome == whole->outcome);
        CHECK(part.outcome != HTTP1_BAD || (part.fault.status == whole->fault.status &&
                                            strcmp(part.fault.why, whole->fault.why) == 0));
        CHECK(part.outcome != HTTP1_WHOLE ||
              memcmp(&part.head, &whole->head, sizeof(part.head)) == 0);
    }
}

/* First lines end with CRLF. Returns the length. */
static inline size_t write_anew(const char *bytes, const struct http1_head *head, const char *first,
                                size_t n_first, char to[2 * HTTP1_HEAD_MAX]) {
    size_t n = n_first;

    memcpy(to, first, n);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http1_field *field = &head->fields[i];

        memcpy(to + n, bytes + field->name.at, field->name.n);
        n += field->name.n;
        to[n++] = ':';
        to[n++] = ' ';
        memcpy(to + n, bytes + field->value.at, field->value.n);
        n += field->value.n;
        to[n++] = '\r';
        to[n++] = '\n';
    }
    to[n++] = '\r';
    to[n++] = '\n';
    return n;
}

static inline void check_same_text(const char *a, struct http1_span in_a, const char *b,
                                   struct http1_span in_b) {
    CHECK(in_a.n == in_b.n && memcmp(a + in_a.at, b + in_b.at, in_a.n) == 0);
}

static inline void check_same_head(const char *a, const struct http1_head *of_a, const char *b,
                                   const struct http1_head *of_b) {
    check_same_text(a, of_a->method_text, b, of_b->method_text);
    check_same_text(a, of_a->target, b, of_b->target);
    check_same_text(a, of_a->path, b, of_b->path);
    check_same_text(a, of_a->query, b, of_b->query);
    check_same_text(a, of_a->host, b, of_b->host);
    check_same_text(a, of_a->authority, b, of_b->authority);
    check_same_text(a, of_a->reason, b, of_b->reason);
    check_same_text(a, of_a->upgrade, b, of_b->upgrade);
    CHECK(of_a->v1_0 == of_b->v1_0 && of_a->method == of_b->method &&
          of_a->absolute == of_b->absolute && of_a->status == of_b->status &&
          of_a->expects_continue == of_b->expects_continue && of_a->framing == of_b->framing &&
          of_a->content_length == of_b->content_length && of_a->close == of_b->close &&
          of_a->upgrades == of_b->upgrades && of_a->n_fields == of_b->n_fields);
    for (size_t i = 0; i < of_a->n_fields; i++) {
        check_same_text(a, of_a->fields[i].name, b, of_b->fields[i].name);
        check_same_text(a, of_a->fields[i].value, b, of_b->fields[i].value);
        CHECK(of_a->fields[i].known == of_b->fields[i].known &&
              of_a->fields[i].hop == of_b->fields[i].hop);
    }
}

#endif
