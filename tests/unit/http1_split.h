/* Heads in every split: what parses them sees only how many bytes have come. */
#ifndef HTTP1_SPLIT_H
#define HTTP1_SPLIT_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/http1.h"

struct http1_seen {
    enum http1_outcome outcome;
    struct http1_head head;
    struct http1_fault fault;
    size_t at; /* bytes that it took to know */
};

/* method: of the request that is answered; -1: it is a request. A copy of just n bytes, so that a
 * sanitizer sees what reads on. */
static inline enum http1_outcome http1_see(struct http1_seen *seen, const char *bytes, size_t n,
                                           int method) {
    char *copy = malloc(n + (n == 0));

    assert_non_null(copy);
    memcpy(copy, bytes, n);
    seen->outcome = method < 0 ? http1_parse_request(copy, n, &seen->head, &seen->fault)
                               : http1_parse_answer(copy, n, (enum http1_method)method, &seen->head,
                                                    &seen->fault);
    free(copy);
    return seen->outcome;
}

static inline bool http1_heads_are_same(const struct http1_head *a, const struct http1_head *b) {
    return memcmp(a, b, offsetof(struct http1_head, fields)) == 0 &&
           memcmp(a->fields, b->fields, a->n_fields * sizeof(a->fields[0])) == 0;
}

/* All prefixes: MORE until it is known, and then always the same. */
static inline void http1_see_split(struct http1_seen *ret, const char *bytes, size_t n,
                                   int method) {
    struct http1_seen now = {0};

    *ret = (struct http1_seen){0};
    for (size_t i = 0; i <= n; i++) {
        memset(&now, 0, sizeof(now));
        http1_see(&now, bytes, i, method);
        if (ret->outcome == HTTP1_MORE) {
            *ret = now;
            ret->at = i;
        }
        if (now.outcome != ret->outcome ||
            (now.outcome == HTTP1_BAD && (now.fault.status != ret->fault.status ||
                                          strcmp(now.fault.why, ret->fault.why) != 0)) ||
            (now.outcome == HTTP1_WHOLE && !http1_heads_are_same(&now.head, &ret->head)))
            fail_msg("%zu of %zu bytes give another outcome than %zu: %.*s", i, n, ret->at, (int)n,
                     bytes);
    }
}

static inline void http1_assert_span(const char *bytes, struct http1_span span, const char *text) {
    if (span.n != strlen(text) || memcmp(bytes + span.at, text, span.n) != 0)
        fail_msg("\"%.*s\" instead of \"%s\" in: %s", (int)span.n, bytes + span.at, text, bytes);
}

/* Refused so, by all prefixes that are long enough. */
static inline void http1_assert_refused(const char *bytes, size_t n, int method, uint16_t status,
                                        const char *why) {
    struct http1_seen seen;

    http1_see_split(&seen, bytes, n, method);
    if (seen.outcome != HTTP1_BAD || seen.fault.status != status ||
        strstr(seen.fault.why, why) == NULL)
        fail_msg("outcome %d, %d %s instead of %d %s: %.*s", seen.outcome, seen.fault.status,
                 seen.fault.why == NULL ? "" : seen.fault.why, status, why, (int)n, bytes);
}

#endif
