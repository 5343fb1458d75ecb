#include "base/route.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/scope.h"

bool route_may_lack(int error) {
    switch (error) {
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
    case ENETUNREACH:
    case EHOSTUNREACH: /* a route of type unreachable; or what a router says */
    case EACCES:       /* a route of type prohibit */
    case ENODEV:       /* of a link-local address: its interface is not there (base/scope.h) */
    case EINVAL:       /* a route of type blackhole; or there is no interface of this number */
        return true;
    default:
        return false;
    }
}

int route_error(const struct addr *to, const struct addr *source) {
    struct addr resolved;
    int error = 0;

    if (to->len == 0 || addr_is_unix(to))
        return 0;
    if (scope_resolve(to, &resolved) < 0)
        return ENODEV;
    int fd = socket(to->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return route_may_lack(errno) ? errno : 0;
    int r = source != NULL ? scope_bind(fd, source) : 0;
    if (r < 0)
        error = r == -EADDRNOTAVAIL ? EADDRNOTAVAIL : 0;
    else if (connect(fd, &resolved.u.sa, resolved.len) < 0)
        error = errno;
    fd_close(&fd);
    return route_may_lack(error) ? error : 0;
}

bool route_has_address(const struct addr *addr) {
    struct addr any_port = *addr;
    int fd = socket(addr->u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (addr->u.sa.sa_family == AF_INET)
        any_port.u.in.sin_port = 0;
    else
        any_port.u.in6.sin6_port = 0;
    bool local = fd >= 0 && bind(fd, &any_port.u.sa, any_port.len) == 0;
    fd_close(&fd);
    return local;
}
