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

enum end hello_look(struct opening *opening, struct client_hello *ret_hello, bool *ret_tls,
                    const char **ret_why) {
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
    *ret_tls = outcome == CLIENT_HELLO_WHOLE;
    if (outcome == CLIENT_HELLO_NOT_TLS) /* methods of HTTP are in capitals */
        *ret_why = bytes[0] >= 'A' && bytes[0] <= 'Z' ? "it speaks plain HTTP, not TLS"
                                                      : "it speaks no TLS";
    return outcome == CLIENT_HELLO_BAD ? END_CLIENT_HELLO : END_NONE;
}
