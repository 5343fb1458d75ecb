/* hop_table: a dial that leads to a listener of ours is known by its local port before it connects:
 * the accepted connection has it as its client's port. So connections that come from ourselves are
 * counted, without a system call for any other and without a word in the bytes. An entry holds for
 * as long as a connection may take to its own dial, and only for one that came where that dial
 * went: ports are used again, by others too. A unix socket gets a name for this, which the kernel
 * chooses: five hexadecimal digits in the abstract namespace (unix(7), "Autobind feature"). */
#include "listen/own.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/route.h"
#include "base/scope.h"
#include "base/socket_file.h"
#include "base/sync.h"

#define OWN_MOST 1024 /* listening sockets known; those beyond are not looked at */
#define HOP_GOOD 60   /* s */
#define PORTS    65536

#define AUTOBIND_NAME 5 /* digits */
#define AUTOBIND_LEN                                                                               \
    (offsetof(struct sockaddr_un, sun_path) + 1 + AUTOBIND_NAME) /* and the NUL before them */

static struct {
    struct lock lock;
    struct listening {
        struct addr addr;
        struct socket_file file; /* of a unix socket: its path has many spellings */
    } list[OWN_MOST] GUARDED;
    size_t n GUARDED;
    _Atomic uint64_t ports[PORTS / 64]; /* a bit for each listened on, now or once; unix: 0 */
    _Atomic uint64_t hops[PORTS];       /* hop_table, see pack_hop */
    _Atomic uint64_t unix_hops[PORTS];  /* the same, by the last digits of a name */
} own;

void own_init(void) {
    lock_init(&own.lock, RANK_LEAF);
}

static bool address_of(int fd, struct addr *ret_addr) {
    *ret_addr = (struct addr){.len = sizeof(ret_addr->u)};
    return getsockname(fd, &ret_addr->u.sa, &ret_addr->len) == 0;
}

/* The file that connect(2) would find, through links. Zeroed: none, or no unix socket. */
static struct socket_file file_of(const struct addr *addr) {
    struct stat st;

    if (!addr_is_unix(addr) || addr->u.un.sun_path[0] == '\0' || stat(addr->u.un.sun_path, &st) < 0)
        return (struct socket_file){0};
    return (struct socket_file){st.st_dev, st.st_ino};
}

static bool same_file(const struct socket_file *a, const struct socket_file *b) {
    return a->inode != 0 && a->inode == b->inode && a->device == b->device;
}

void own_add(int listening) {
    struct listening one;

    if (!address_of(listening, &one.addr))
        return;
    one.file = file_of(&one.addr);
    lock_acquire(&own.lock);
    if (own.n < OWN_MOST)
        own.list[own.n++] = one;
    lock_release(&own.lock);
    unsigned port = addr_port(&one.addr);
    atomic_fetch_or(&own.ports[port / 64], (uint64_t)1 << port % 64);
}

void own_remove(int listening) {
    struct addr addr;

    if (!address_of(listening, &addr))
        return;
    lock_acquire(&own.lock);
    for (size_t i = 0; i < own.n; i++)
        if (addr_equal(&own.list[i].addr, &addr)) {
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

/* The first listening address that would take it, wildcard or not. */
static bool find_own(const struct addr *to, bool *ret_sure) {
    const struct socket_file file = file_of(to);
    bool found = false;

    *ret_sure = false;
    lock_acquire(&own.lock);
    for (size_t i = 0; i < own.n && !*ret_sure; i++) {
        const struct addr *one = &own.list[i].addr;

        if (addr_is_unix(one) != addr_is_unix(to) || addr_port(one) != addr_port(to))
            continue;
        *ret_sure = addr_equal(one, to) || same_file(&own.list[i].file, &file);
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
    return find_own(to, &sure) && (sure || route_has_address(to));
}

/* Where the hops of a connection from this peer are noted; NULL: nowhere. */
static _Atomic uint64_t *note_of(const struct addr *peer) {
    char digits[AUTOBIND_NAME + 1] = "", *end = digits;

    if (!addr_is_unix(peer))
        return peer->len > 0 ? &own.hops[addr_port(peer) % PORTS] : NULL;
    if (peer->len != AUTOBIND_LEN || peer->u.un.sun_path[0] != '\0')
        return NULL;
    memcpy(digits, peer->u.un.sun_path + 1, AUTOBIND_NAME);
    unsigned long number = strtoul(digits, &end, 16);
    return end == digits + AUTOBIND_NAME ? &own.unix_hops[number % PORTS] : NULL;
}

/* Tells listening sockets apart, as far as needed. */
static uint64_t listener_place(const struct addr *listening) {
    return (addr_is_unix(listening) ? file_of(listening).inode : addr_port(listening)) % PORTS;
}

static uint64_t pack_hop(const struct addr *to, uint32_t number, usec_t now) {
    return (uint64_t)(now / USEC_PER_SEC) << 32 | listener_place(to) << 16 | number;
}

/* How many hops of ours lie behind a connection from this peer to this address. */
static uint32_t hops_of(const struct addr *peer, const struct addr *came_to, usec_t now) {
    const _Atomic uint64_t *note = note_of(peer);
    uint64_t noted = note != NULL ? atomic_load(note) : 0;

    if (noted == 0 || (uint64_t)(now / USEC_PER_SEC) - (noted >> 32) > HOP_GOOD ||
        (noted >> 16) % PORTS != listener_place(came_to))
        return 0;
    return (uint32_t)(noted % PORTS);
}

/* Gives it the local address by which the hop is known. */
static int name_hop(int fd, const struct addr *to, const struct addr *source) {
    struct addr local = {.len = to->len, .u.sa.sa_family = to->u.sa.sa_family};

    if (addr_is_unix(to)) { /* if forbidden here, the hop is not counted */
        (void)bind(fd, &local.u.sa, sizeof(local.u.sa.sa_family));
        return 0;
    }
    if (source != NULL)
        local = *source;
    return scope_bind(fd, &local);
}

static bool is_one_place(const struct addr *a, const struct addr *b) {
    const struct socket_file file_a = file_of(a), file_b = file_of(b);

    return addr_equal(a, b) || same_file(&file_a, &file_b);
}

bool own_is_loop(const struct addr *to, int client, const struct addr *peer, unsigned *ret_hops) {
    struct addr came_to;
    unsigned hops = 0;

    if (address_of(client, &came_to)) {
        hops = hops_of(peer, &came_to, clock_now());
        if (hops >= OWN_HOPS || is_one_place(&came_to, to))
            return true;
    }
    *ret_hops = hops;
    return false;
}

int own_hop(int fd, const struct addr *to, const struct addr *source, unsigned hops) {
    struct addr local;
    int r = name_hop(fd, to, source);

    if (r < 0)
        return r;
    if (!address_of(fd, &local))
        return -errno;
    _Atomic uint64_t *note = note_of(&local);
    if (note != NULL)
        atomic_store(note, pack_hop(to, hops + 1, clock_now()));
    return 0;
}
