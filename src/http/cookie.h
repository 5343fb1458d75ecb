/* The cookie by which a client comes back to its server (balance = cookie): as it comes, is taken
 * off, and is set. Pure: no allocation; any thread.
 *
 * A token names a server: 128 bits that nobody can make without the key (upstream/token.h); as text
 * they are base64url (RFC 4648, 5). Cookies of others are not looked into. */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/out.h"
#include "wire/http1.h"

struct cookie_token {
    uint64_t high, low; /* both 0: none */
};

#define COOKIE_TOKEN_TEXT 22 /* its characters */

static inline bool cookie_token_equal(struct cookie_token a, struct cookie_token b) {
    return ((a.high ^ b.high) | (a.low ^ b.low)) == 0; /* in the same time, whatever they are */
}

static inline bool cookie_token_is_none(struct cookie_token token) {
    return (token.high | token.low) == 0;
}

/* The token in a request's cookie of this name, which must be written as relayd does (RFC 6265,
 * 4.2.1). None: there is no such cookie, one is something else, or two of them differ. */
struct cookie_token cookie_find(const char *bytes, const struct http1_head *head, const char *name);

/* Passes a field Cookie on without the cookies of this name, the others byte for byte; nothing, if
 * there are no others. */
void cookie_pass(const char *bytes, const struct http1_field *field, const char *name,
                 struct http_out *out);

/* Whether a Set-Cookie with this value sets a cookie of this name. */
bool cookie_sets(const char *bytes, struct http1_span value, const char *name);

/* Set-Cookie for a token, and what keeps shared caches from giving it to others. */
void cookie_add(struct cookie_token token, const char *name, bool secure, struct http_out *out);

#endif
