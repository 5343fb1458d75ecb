/* The PROXY protocol of HAProxy (its proxy-protocol.txt), versions 1 and 2: in a header before the first byte, a
 * balancer tells a server whom it speaks for. Bytes in, struct out, and back. All pure; any thread. */
#ifndef WIRE_PROXY_PROTOCOL_H
#define WIRE_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Which versions are read or written; the order is that of the choices of accept_proxy and send_proxy. */
enum proxy_version { PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_ANY };

#define PROXY_HEADER_MAX                                                                           \
    4096 /* bytes that proxy_parse takes, TLVs included; a longer header is refused */
#define PROXY_WRITE_MAX 512 /* bytes that proxy_write writes at most */
#define PROXY_ID_MAX    128 /* bytes of a unique id: proxy-protocol.txt, 2.2.5 */

struct proxy_header {
    bool known; /* false: LOCAL, UNKNOWN or UNSPEC: the addresses are the connection's own */
    struct addr source,
        destination;                /* of the client's connection; a unix address may be nameless */
    unsigned char id[PROXY_ID_MAX]; /* PP2_TYPE_UNIQUE_ID */
    size_t id_length;               /* 0: there was none */
};

enum proxy_outcome {
    PROXY_WHOLE, /* the header is whole: its length is in *ret_length */
    PROXY_MORE,  /* all n bytes belong to the header, and more of it must come */
    PROXY_BAD, /* this is no header of an accepted version, or a broken one; *ret_why says why in a clause */
};

/* Looks at the first n bytes of a connection (n may be 0; any split of a header gives the same in the end). */
enum proxy_outcome proxy_parse(enum proxy_version accept, const void *bytes, size_t n,
                               struct proxy_header *ret_header, size_t *ret_length,
                               const char **ret_why) MUST_USE;

/* Writes a header of V1 or V2 into buf (PROXY_WRITE_MAX bytes) and returns its length. source NULL: a connection of
 * our own, such as a check: LOCAL (V2) or UNKNOWN (V1). V2 carries a CRC32c and, if id_length > 0, the unique id.
 * Addresses of two families: IPv4 is written as IPv6 (::ffff:a.b.c.d). */
size_t proxy_write(enum proxy_version version, const struct addr *source,
                   const struct addr *destination, const void *id, size_t id_length,
                   unsigned char *buf);

#endif
