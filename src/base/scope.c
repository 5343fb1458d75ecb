#include "base/scope.h"

#include <errno.h>

#include "base/interface.h"

/* 0: none. */
static uint32_t scope_of(const struct addr *addr) {
    return addr->len > 0 && addr->u.sa.sa_family == AF_INET6 ? addr->u.in6.sin6_scope_id : 0;
}

const char *scope_name(const struct addr *addr) {
    return interface_name(scope_of(addr));
}

int scope_resolve(const struct addr *addr, struct addr *ret_addr) {
    const char *name = scope_name(addr);
    uint32_t index = name != NULL ? interface_index(name) : 0;

    if (name != NULL && index == 0)
        return -ENODEV;
    *ret_addr = *addr;
    if (name != NULL)
        ret_addr->u.in6.sin6_scope_id = index;
    return 0;
}

struct addr scope_recall(const struct addr *addr) {
    struct addr named = *addr;
    uint32_t number = interface_recall(scope_of(addr));

    if (number != 0)
        named.u.in6.sin6_scope_id = number;
    return named;
}

int scope_connect(int fd, const struct addr *addr) {
    struct addr resolved;
    int r = scope_resolve(addr, &resolved);

    if (r < 0)
        return r;
    return connect(fd, &resolved.u.sa, resolved.len) < 0 ? -errno : 0;
}

int scope_bind(int fd, const struct addr *addr) {
    struct addr resolved;

    if (scope_resolve(addr, &resolved) < 0)
        return -EADDRNOTAVAIL;
    return bind(fd, &resolved.u.sa, resolved.len) < 0 ? -errno : 0;
}

bool scope_met_itself(int fd, const struct addr *addr) {
    struct addr own = {.len = sizeof own.u}, resolved;

    return !addr_is_unix(addr) && getsockname(fd, &own.u.sa, &own.len) == 0 &&
           scope_resolve(addr, &resolved) == 0 && addr_equal(&own, &resolved);
}
