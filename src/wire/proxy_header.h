/* A header of the PROXY protocol, and what can become of reading one. */
#ifndef WIRE_PROXY_HEADER_H
#define WIRE_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Versions to read or write, in the order of the choices of accept_proxy and send_proxy. */
enum proxy_version { PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_ANY };

#define PROXY_HEADER_MAX 4096 /* bytes read, TLVs included */
#define PROXY_WRITE_MAX  1000 /* bytes written, at most: nginx 1.22 in mode http takes 1024, */
#define PROXY_LEAN_MAX   107  /* and in mode stream so many, as many as v1 can have (2.1) */
#define PROXY_ID_MAX     128  /* bytes of a unique id: proxy-protocol.txt, 2.2.5 */

struct proxy_header {
    bool known; /* false: LOCAL, UNKNOWN, UNSPEC: the connection's own addresses count */
    struct addr source,
        destination;                /* of the client's connection; unix addresses may be nameless */
    unsigned char id[PROXY_ID_MAX]; /* PP2_TYPE_UNIQUE_ID */
    size_t id_length;               /* 0: none */
};

enum proxy_outcome {
    PROXY_WHOLE, /* the header is whole: its length is in *ret_length */
    PROXY_MORE,  /* all n bytes are of the header, and more must come */
    /* no header of an accepted version, or a broken one; *ret_why is a clause about it */
    PROXY_BAD,
};

#endif
