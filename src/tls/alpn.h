/* Protocols that are agreed on in the handshake (RFC 7301), as libssl has them: each with its
 * length before it. Any thread. */
#ifndef TLS_ALPN_H
#define TLS_ALPN_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "tls/problems.h"

struct alpn {
    uint8_t *bytes; /* NULL: none */
    unsigned n;
};

/* Tells what no protocol is. False: told. Free the bytes. */
bool alpn_encode(const char *const *protocols, size_t n, struct alpn *ret,
                 struct tls_problems *problems) MUST_USE;

#endif
