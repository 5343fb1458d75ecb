/* A header of the PROXY protocol, and what can become of reading one. */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Which versions are read or written; the order is that of the choices of accept_proxy and
 * send_proxy. */
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
    /* this is no header of an accepted version, or a broken one; *ret_why says why in a clause */
    PROXY_BAD,
};

#endif
