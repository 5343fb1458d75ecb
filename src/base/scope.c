#include "base/scope.h"

#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <string.h>

#include "base/sync.h"
#include "base/text.h"

#define BY_NAME 0x80000000u /* the kernel's numbers are positive ints (if_nametoindex(3)) */
#define DIGITS  "0123456789"

/* Names are added and never change, so that they are read without the lock. */
static struct {
    struct lock lock;
    _Atomic uint32_t n;
    char names[SCOPES_MOST][IF_NAMESIZE];
} scopes = {.lock = LOCK_INITIAL(RANK_LEAF)};

static bool reject_scope(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

static uint32_t find_scope(const char *name) {
    uint32_t n = atomic_load(&scopes.n);

    for (uint32_t i = 0; i < n; i++)
        if (strcmp(scopes.names[i], name) == 0)
            return BY_NAME + i;
    return 0;
}

/* 0: there is no room for another one. */
static uint32_t add_scope(const char *name) {
    uint32_t scope = find_scope(name);

    if (scope != 0)
        return scope;
    lock_acquire(&scopes.lock);
    uint32_t n = atomic_load(&scopes.n);
    scope = find_scope(name);
    if (scope == 0 && n < SCOPES_MOST) {
        strcpy(scopes.names[n], name);
        scope = BY_NAME + n;
        atomic_store(&scopes.n, n + 1);
    }
    lock_release(&scopes.lock);
    return scope;
}

/* What the kernel takes for one (dev_valid_name). */
static bool is_interface_name(const char *text) {
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return false;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f || strchr("/:%[]", *text) != NULL)
            return false;
    return true;
}

bool scope_parse(const char *text, uint32_t *ret_scope, const char **ret_why) {
    bool number = text[strspn(text, DIGITS)] == '\0';
    int64_t index;

    if (*text == '\0')
        return reject_scope(ret_why,
                            "the interface is missing after the \"%\", as in [fe80::1%eth0]:80");
    if (number && if_nametoindex(text) == 0) {
        if (!text_parse_number(text, &index) || index < 1 || index > INT32_MAX)
            return reject_scope(ret_why,
                                "the number of a network interface is from 1 to 2147483647");
        *ret_scope = (uint32_t)index;
        return true;
    }
    if (strlen(text) >= IF_NAMESIZE)
        return reject_scope(ret_why, "the name of a network interface has at most 15 characters");
    if (!is_interface_name(text))
        return reject_scope(ret_why, "a network interface cannot have the name after the \"%\"");
    uint32_t scope = add_scope(text);
    if (scope == 0)
        return reject_scope(ret_why,
                            "there have been 4096 names of network interfaces: restart relayd");
    *ret_scope = scope;
    return true;
}

const char *scope_name(const struct addr *addr) {
    uint32_t scope =
        addr->len > 0 && addr->u.sa.sa_family == AF_INET6 ? addr->u.in6.sin6_scope_id : 0;

    return scope >= BY_NAME && scope - BY_NAME < atomic_load(&scopes.n)
               ? scopes.names[scope - BY_NAME]
               : NULL;
}

uint32_t scope_index(const char *name) {
    return if_nametoindex(name);
}

int scope_settle(const struct addr *addr, struct addr *ret_addr) {
    const char *name = scope_name(addr);
    uint32_t index = name != NULL ? scope_index(name) : 0;

    if (name != NULL && index == 0)
        return -ENODEV;
    *ret_addr = *addr;
    if (name != NULL)
        ret_addr->u.in6.sin6_scope_id = index;
    return 0;
}

struct addr scope_recall(const struct addr *addr) {
    struct addr named = *addr;
    char name[IF_NAMESIZE];

    if (addr->len > 0 && addr->u.sa.sa_family == AF_INET6 && addr->u.in6.sin6_scope_id != 0 &&
        addr->u.in6.sin6_scope_id < BY_NAME && atomic_load(&scopes.n) > 0 &&
        if_indextoname(addr->u.in6.sin6_scope_id, name) != NULL && find_scope(name) != 0)
        named.u.in6.sin6_scope_id = find_scope(name);
    return named;
}

int scope_connect(int fd, const struct addr *addr) {
    struct addr settled;
    int r = scope_settle(addr, &settled);

    if (r < 0)
        return r;
    return connect(fd, &settled.u.sa, settled.len) < 0 ? -errno : 0;
}

int scope_bind(int fd, const struct addr *addr) {
    struct addr settled;

    if (scope_settle(addr, &settled) < 0)
        return -EADDRNOTAVAIL;
    return bind(fd, &settled.u.sa, settled.len) < 0 ? -errno : 0;
}
