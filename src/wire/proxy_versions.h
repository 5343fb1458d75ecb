/* What both versions of the PROXY protocol share; for proxy_protocol.c alone. */
#ifndef WIRE_PROXY_VERSIONS_H
#define WIRE_PROXY_VERSIONS_H

#include "wire/proxy_header.h"
#include "wire/proxy_tls.h"

#define PROXY_V2_SIGNATURE      "\r\n\r\n\0\r\nQUIT\n" /* proxy-protocol.txt, 2.2 */
#define PROXY_V2_SIGNATURE_SIZE 12

/* Two IP addresses in one family, bytes and ports in network order. */
struct proxy_pair {
    int family;
    size_t size; /* of one address */
    unsigned char source[16], destination[16];
    uint16_t source_port, destination_port;
};

/* Mixed with IPv6, IPv4 becomes ::ffff:a.b.c.d; two of those become IPv4. False: one is no IP
 * address. */
bool proxy_pair(const struct addr *source, const struct addr *destination,
                struct proxy_pair *ret_pair);

/* Sets *ret_why and returns false. */
bool proxy_fail(const char **ret_why, const char *why);

enum proxy_outcome proxy_v1_parse(const char *bytes, size_t n, struct proxy_header *ret_header,
                                  size_t *ret_length, const char **ret_why);
enum proxy_outcome proxy_v2_parse(const unsigned char *bytes, size_t n,
                                  struct proxy_header *ret_header, size_t *ret_length,
                                  const char **ret_why);
size_t proxy_v1_write(const struct addr *source, const struct addr *destination,
                      unsigned char *buf);
size_t proxy_v2_write(const struct addr *source, const struct addr *destination, const void *id,
                      size_t id_length, const struct proxy_tls *tls, unsigned char *buf);

#endif
