/* What is bound for an address, and which cannot be listened on together. */
#include <sys/socket.h>

#include "base/addr.h"

/* Whether it listens at every address of the other's family. */
static bool takes_all(const struct addr *addr, bool only, const struct addr *other) {
    return addr_is_any(addr) && (addr->u.sa.sa_family == other->u.sa.sa_family ||
                                 (addr->u.sa.sa_family == AF_INET6 && !only));
}

bool addr_overlaps(const struct addr *a, bool a_only, const struct addr *b, bool b_only) {
    unsigned char a_bytes[16], b_bytes[16];

    if (!addr_ipv6_bytes(a, a_bytes) || !addr_ipv6_bytes(b, b_bytes))
        return addr_is_unix(a) && addr_equal(a, b);
    if (addr_port(a) == 0 || addr_port(a) != addr_port(b))
        return false;
    return takes_all(a, a_only, b) || takes_all(b, b_only, a) || addr_equal(a, b);
}

bool addr_overlaps_bound(const struct addr *wanted, bool only, int fd) {
    struct addr bound = {.len = sizeof bound.u};
    int bound_only = 0;
    socklen_t size = sizeof bound_only;

    if (fd < 0 || getsockname(fd, &bound.u.sa, &bound.len) < 0)
        return false;
    (void)getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &bound_only, &size);
    return addr_overlaps(wanted, only, &bound, bound_only != 0);
}

struct addr addr_to_bind(const struct addr_spec *spec) {
    struct addr any = {.u.in6.sin6_family = AF_INET6, .len = sizeof(any.u.in6)};

    any.u.in6.sin6_port = htons((uint16_t)spec->port);
    return spec->form == ADDR_ANY ? any : addr_unmapped(&spec->addr);
}
