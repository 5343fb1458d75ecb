#include "wire/proxy_versions.h"

#include <string.h>

bool proxy_fail(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

static bool ip_of_addr(const struct addr *addr, unsigned char bytes[16], uint16_t *port) {
    if (addr == NULL || !addr_ipv6_bytes(addr, bytes))
        return false;
    *port = addr->u.sa.sa_family == AF_INET ? addr->u.in.sin_port : addr->u.in6.sin6_port;
    return true;
}

bool proxy_pair(const struct addr *source, const struct addr *destination,
                struct proxy_pair *ret_pair) {
    struct proxy_pair pair = {.family = AF_INET6, .size = 16};

    if (!ip_of_addr(source, pair.source, &pair.source_port) ||
        !ip_of_addr(destination, pair.destination, &pair.destination_port))
        return false;
    if (addr_bytes_are_ipv4(pair.source) && addr_bytes_are_ipv4(pair.destination)) {
        pair.family = AF_INET;
        pair.size = 4;
        memmove(pair.source, pair.source + 12, 4);
        memmove(pair.destination, pair.destination + 12, 4);
    }
    *ret_pair = pair;
    return true;
}
