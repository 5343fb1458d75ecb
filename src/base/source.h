/* source_address: local addresses from which connections and checks dial an upstream's servers.
 * Those of a server's family count; without one, the kernel chooses. */
#ifndef BASE_SOURCE_H
#define BASE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/* As written, and as read, with port 0. */
struct source_list {
    char **texts;
    struct addr *addrs;
    size_t n; /* 0: the kernel's choice */
};

/* How many for this address, at least 1; the n-th, from 0; NULL: the kernel's choice. list may be
 * NULL. */
size_t source_count(const struct source_list *list, const struct addr *to);
const struct addr *source_at(const struct source_list *list, const struct addr *to, size_t n);

/* 0 or -errno; -EADDRNOTAVAIL: not an address of this machine. connect(2) chooses the port, unique
 * only for one server's address (ip(7), IP_BIND_ADDRESS_NO_PORT); there EADDRNOTAVAIL: none is
 * left. NULL: does nothing. */
int source_bind(int fd, const struct addr *source) MUST_USE;

/* After a failed bind or connect: whether the next may do better, since this one is not there, has
 * no port left or leads nowhere. */
bool source_is_useless(const struct addr *source, const struct addr *to, int error);

/* As route_error, from any of them: 0 if one has a way. */
int source_route_error(const struct source_list *list, const struct addr *to);

/* None for this address is this machine's. */
bool source_all_missing(const struct source_list *list, const struct addr *to);

/* Not an address of this machine. */
bool source_is_missing(const struct addr *source);

#endif
