/* hop_table: which of our dials leads to a listener of ours is known by its local port, before it connects: the accepted
 * connection has it as its client's port. So connections that come from ourselves are counted without a system call for
 * any other, and without a word in the bytes. An entry is good for as long as a connection may take from there to its
 * own dial; ports are used again. */
#include "relay/own.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/scope.h"
#include "base/sync.h"

#define OWN_MOST 1024 /* listening sockets that are known: those beyond are not looked at */
#define HOP_GOOD 60   /* s */
#define PORTS    65536

static struct {
    struct lock lock;
    struct addr list[OWN_MOST] GUARDED;
    size_t n GUARDED;
    _Atomic uint64_t ports[PORTS / 64]; /* a bit for each that is listened on, or was */
    _Atomic uint32_t hops[PORTS];       /* hop_table: the second, times 8, and the number */
} own;

void own_init(void) {
    lock_init(&own.lock, RANK_LEAF);
}

static bool address_of(int fd, struct addr *ret_addr) {
    *ret_addr = (struct addr){.len = sizeof(ret_addr->u)};
    return getsockname(fd, &ret_addr->u.sa, &ret_addr->len) == 0;
}

void own_add(int listening) {
    struct addr addr;

    if (!address_of(listening, &addr))
        return;
    lock_acquire(&own.lock);
    if (own.n < OWN_MOST)
        own.list[own.n++] = addr;
    lock_release(&own.lock);
    unsigned port = addr_port(&addr);
    atomic_fetch_or(&own.ports[port / 64], (uint64_t)1 << port % 64);
}

void own_remove(int listening) {
    struct addr addr;

    if (!address_of(listening, &addr))
        return;
    lock_acquire(&own.lock);
    for (size_t i = 0; i < own.n; i++)
        if (addr_equal(&own.list[i], &addr)) {
            own.list[i] = own.list[--own.n];
            break;
        }
    lock_release(&own.lock);
}

static bool is_any(const struct addr *addr) {
    static const unsigned char none[16];

    return addr->u.sa.sa_family == AF_INET
               ? addr->u.in.sin_addr.s_addr == 0
               : memcmp(&addr->u.in6.sin6_addr, none, sizeof(none)) == 0;
}

/* Whether the address is this machine's: a socket can be bound to it. */
static bool is_local(const struct addr *addr) {
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

/* The first listening address there that takes it, wildcard or not. */
static bool find_own(const struct addr *to, bool *ret_sure) {
    bool found = false;

    *ret_sure = false;
    lock_acquire(&own.lock);
    for (size_t i = 0; i < own.n && !*ret_sure; i++) {
        const struct addr *one = &own.list[i];

        if (addr_is_unix(one) != addr_is_unix(to) || addr_port(one) != addr_port(to))
            continue;
        *ret_sure = addr_equal(one, to);
        if (!addr_is_unix(to) && (is_any(one) || is_any(to)))
            found = one->u.sa.sa_family == AF_INET6 || one->u.sa.sa_family == to->u.sa.sa_family ||
                    found;
    }
    lock_release(&own.lock);
    return found || *ret_sure;
}

bool own_is(const struct addr *to) {
    unsigned port = addr_port(to);
    bool sure;

    if ((atomic_load_explicit(&own.ports[port / 64], memory_order_relaxed) & (uint64_t)1
                                                                                 << port % 64) == 0)
        return false;
    return find_own(to, &sure) && (sure || is_local(to));
}

/* How many hops of ours a connection from this peer has behind it. */
static uint32_t hops_of(const struct addr *peer, usec_t now) {
    uint32_t noted = atomic_load(&own.hops[addr_port(peer) % PORTS]);

    return (uint32_t)(now / USEC_PER_SEC) - noted / 8 <= HOP_GOOD ? noted % 8 : 0;
}

int own_hop(int fd, const struct addr *to, const struct addr *source, int client,
            const struct addr *peer) {
    struct addr local = {.len = to->len, .u.sa.sa_family = to->u.sa.sa_family}, came_to;
    usec_t now = clock_now();
    uint32_t hops = addr_is_unix(peer) || peer->len == 0 ? 0 : hops_of(peer, now);

    if (hops >= OWN_HOPS || (address_of(client, &came_to) && addr_equal(&came_to, to)))
        return -ELOOP;
    if (addr_is_unix(to))
        return 0;
    if (source != NULL)
        local = *source;
    if (scope_bind(fd, &local) < 0)
        return -errno;
    if (!address_of(fd, &local))
        return -errno;
    atomic_store(&own.hops[addr_port(&local)], (uint32_t)(now / USEC_PER_SEC) * 8 + hops + 1);
    return 0;
}
