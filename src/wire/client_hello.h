/* The ClientHello, the first that a client says in TLS: which name and which protocols it asks for.
 * Pure; any thread.
 *
 * Whoever sends it is a stranger: every length is checked, nothing is allocated, and what is
 * malformed is BAD, not guessed at. It is only read, never changed or consumed. */
#ifndef WIRE_CLIENT_HELLO_H
#define WIRE_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/host_name.h"

/* The message, its header included, and the records that it may be cut into (RFC 8446, 5.1, sets no
 * such bounds; a browser's has some 2 KiB, and one record). */
#define CLIENT_HELLO_MAX     16384
#define CLIENT_HELLO_RECORDS 8
/* With the headers of the records: more bytes are never asked for. */
#define CLIENT_HELLO_WIRE_MAX (CLIENT_HELLO_MAX + CLIENT_HELLO_RECORDS * 5)

#define CLIENT_HELLO_NAME_MAX      HOST_NAME_SIZE
#define CLIENT_HELLO_PROTOCOLS_MAX 512 /* all that IANA has registered take less */

struct client_hello {
    /* The server_name (SNI), as host_name_read has it. "": none, or an IP address, which is no name
     * there (RFC 6066, 3). */
    char name[CLIENT_HELLO_NAME_MAX];
    /* ALPN (RFC 7301), as sent: names of 1 to 255 bytes, each after its length. */
    unsigned char protocols[CLIENT_HELLO_PROTOCOLS_MAX];
    size_t protocols_length; /* 0: none are offered */
    bool tls13;              /* TLS 1.3 is offered */
};

enum client_hello_outcome {
    CLIENT_HELLO_WHOLE,   /* *ret_need bytes are its own */
    CLIENT_HELLO_MORE,    /* good so far; at least *ret_need bytes, in all, must come */
    CLIENT_HELLO_BAD,     /* *ret_why: a clause about what is wrong with it */
    CLIENT_HELLO_NOT_TLS, /* other bytes than a handshake record's */
};

/* Looks at a connection's first n bytes, however cut into records and segments. Whoever waits for
 * *ret_need bytes before each next look looks 2 * CLIENT_HELLO_RECORDS + 1 times at most.
 * *ret_need <= CLIENT_HELLO_WIRE_MAX; of MORE, it is more than n. */
enum client_hello_outcome client_hello_parse(const void *bytes, size_t n, struct client_hello *ret,
                                             size_t *ret_need, const char **ret_why) MUST_USE;

/* Protocol is one of those that it offers. */
bool client_hello_offers(const struct client_hello *hello, const char *protocol);

#endif
