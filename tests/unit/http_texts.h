/* For the tests of http/: a configuration, and heads as text. */
#ifndef UNIT_HTTP_TEXTS_H
#define UNIT_HTTP_TEXTS_H

#include "config_text.h"

#include "config/routes.h"
#include "http/match.h"
#include "http/rewrite.h"

/* A request, parsed. It must be whole and good. */
static inline struct http1_head request_of(const char *text) {
    struct http1_fault fault = {0, ""};
    struct http1_head head;
    enum http1_outcome outcome = http1_parse_request(text, strlen(text), &head, &fault);

    if (outcome != HTTP1_WHOLE)
        fail_msg("%s: %s", text, outcome == HTTP1_BAD ? fault.why : "not whole");
    return head;
}

static inline struct http1_head answer_of(const char *text, enum http1_method method) {
    struct http1_fault fault = {0, ""};
    struct http1_head head;
    enum http1_outcome outcome = http1_parse_answer(text, strlen(text), method, &head, &fault);

    if (outcome != HTTP1_WHOLE)
        fail_msg("%s: %s", text, outcome == HTTP1_BAD ? fault.why : "not whole");
    return head;
}

/* A listener with these options and routes. */
static inline struct config *http_config(const char *inner) {
    char text[16384];

    snprintf(text, sizeof(text), "listener web { address = :80 mode = http %s }\n" APP, inner);
    return good(text);
}

/* The bytes of all parts; the caller frees it. */
static inline char *text_of_out(const struct http_out *out) {
    char *text = malloc(out->total + 1);
    size_t n = 0;

    assert_non_null(text);
    for (size_t i = 0; i < out->n; i++) {
        memcpy(text + n, out->parts[i].iov_base, out->parts[i].iov_len);
        n += out->parts[i].iov_len;
    }
    assert_int_equal(n, out->total);
    text[n] = '\0';
    return text;
}

static inline struct addr client_at(const char *text) {
    struct addr addr = {0};
    const char *why;

    if (text[0] != '\0' && !addr_parse_ip(text, &addr, &why))
        fail_msg("%s: %s", text, why);
    return addr;
}

/* The route that a request takes; NULL: none. */
static inline const struct route_config *route_taken(const struct config *config, const char *text,
                                                     const struct http1_head *head) {
    const struct route_config *route = NULL;
    enum http_match_outcome outcome = http_match(&config->listeners[0], text, head, &route);

    assert_int_equal(outcome == HTTP_MATCH_ROUTE, route != NULL);
    return route;
}

#endif
