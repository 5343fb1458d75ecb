#include "road/hello.h"

#include <errno.h>

#include "road/openings.h"

/* have: bytes of the ClientHello that came. As of a PROXY header (greet.c), whoever sends none and
 * closes only looks whether somebody listens. */
static enum end fail_look(ssize_t n, size_t have, const char **ret_why) {
    if (n == -ECANCELED)
        return END_STOPPED;
    if (n == -EUSERS)
        return END_PUT_OUT;
    if (n == -ETIMEDOUT)
        return END_HELLO_TIMEOUT;
    if (have == 0)
        *ret_why = "it has sent nothing";
    else
        *ret_why = n == 0 ? "the connection ended before it was whole"
                          : "the connection broke before it was whole";
    return END_CLIENT_HELLO;
}

/* Of HTTP, all of it or its beginning: capitals, then a blank. */
static bool is_method(const unsigned char *bytes, size_t n) {
    size_t i = 0;

    while (i < n && bytes[i] >= 'A' && bytes[i] <= 'Z')
        i++;
    return i > 0 && (i == n || bytes[i] == ' ');
}

enum end hello_look(struct opening *opening, struct client_hello *ret_hello,
                    enum client_hello_outcome *ret_outcome, const char **ret_why) {
    unsigned char bytes[CLIENT_HELLO_WIRE_MAX];
    enum client_hello_outcome outcome = CLIENT_HELLO_MORE;
    size_t have = 0, need = 1;
    ssize_t n = openings_peek(opening, bytes, sizeof(bytes), opening->deadline);

    while (n > 0 && outcome == CLIENT_HELLO_MORE) {
        have = (size_t)n;
        outcome = client_hello_parse(bytes, have, ret_hello, &need, ret_why);
        if (outcome == CLIENT_HELLO_MORE)
            n = openings_peek_more(opening, bytes, have, need, opening->deadline);
    }
    int r = openings_peek_end(opening);
    n = n > 0 && r < 0 ? r : n;
    if (n <= 0)
        return fail_look(n, have, ret_why);
    *ret_outcome = outcome;
    opening->hello = outcome == CLIENT_HELLO_WHOLE ? need : 0;
    if (outcome == CLIENT_HELLO_NOT_TLS)
        *ret_why = is_method(bytes, have) ? "it speaks plain HTTP, not TLS" : "it speaks no TLS";
    return outcome == CLIENT_HELLO_BAD ? END_CLIENT_HELLO : END_NONE;
}
