/* Looks at a client's ClientHello, and leaves it where it is. */
#ifndef ROAD_HELLO_H
#define ROAD_HELLO_H

#include "road/opening.h"
#include "wire/client_hello.h"

/* An opener's. Until the opening's deadline. END_NONE: the ClientHello is WHOLE, or NOT_TLS; or
 * END_CLIENT_HELLO, END_HELLO_TIMEOUT, END_PUT_OUT or END_STOPPED, with *ret_outcome BAD, or
 * untouched. *ret_why: a constant clause, or untouched. */
enum end hello_look(struct opening *opening, struct client_hello *ret_hello,
                    enum client_hello_outcome *ret_outcome, const char **ret_why) MUST_USE;

#endif
