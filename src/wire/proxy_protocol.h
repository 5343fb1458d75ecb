/* The PROXY protocol of HAProxy (proxy-protocol.txt), versions 1 and 2: in a header before the
 * first byte, a balancer tells a server whom it speaks for. Pure; any thread. */
#ifndef WIRE_PROXY_PROTOCOL_H
#define WIRE_PROXY_PROTOCOL_H

#include <stddef.h>

#include "base/check.h"
#include "wire/proxy_header.h"
#include "wire/proxy_tls.h"

/* Looks at a connection's first n bytes (n may be 0), however split. */
enum proxy_outcome proxy_parse(enum proxy_version accept, const void *bytes, size_t n,
                               struct proxy_header *ret_header, size_t *ret_length,
                               const char **ret_why) MUST_USE;

/* Writes a header of V1 or V2 into buf (PROXY_WRITE_MAX bytes) and returns its length. source NULL:
 * our own connection, such as a check: LOCAL (V2), UNKNOWN (V1). V2 has a CRC32c and, if id_length
 * > 0, the unique id. Of two families, IPv4 is written as ::ffff:a.b.c.d. tls: the client's, which
 * V2 tells, but what does not fit PROXY_LEAN_MAX (without a certificate) or PROXY_WRITE_MAX; NULL:
 * it spoke none. */
size_t proxy_write(enum proxy_version version, const struct addr *source,
                   const struct addr *destination, const void *id, size_t id_length,
                   const struct proxy_tls *tls, unsigned char *buf);

#endif
