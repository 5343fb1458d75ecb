/* The local addresses that an upstream's servers are dialled from, by connections and by checks:
 * source_address. A server is dialled from those of its own family alone; if there is none, as the
 * kernel chooses. */
#ifndef BASE_SOURCE_H
#define BASE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/* Local addresses to dial from: as written, and as read, with port 0. */
struct source_list {
    char **texts;
    struct addr *addrs;
    size_t n; /* 0: the kernel's choice */
};

/* How many there are to dial this address from, at least 1; and the n-th of them, from 0: NULL is
 * the kernel's choice. list may be NULL. */
size_t source_count(const struct source_list *list, const struct addr *to);
const struct addr *source_at(const struct source_list *list, const struct addr *to, size_t n);

/* Binds a socket to it: 0, or -errno; -EADDRNOTAVAIL: it is not an address of this machine. The
 * port is left to connect(2), where it need only be unique for one server's address (ip(7),
 * IP_BIND_ADDRESS_NO_PORT); there EADDRNOTAVAIL says that none is left. NULL: does nothing. */
int source_bind(int fd, const struct addr *source) MUST_USE;

/* A socket could not be bound to it, or not connected from it: whether the next one may do better,
 * because this one is not there, has no port left or leads nowhere. */
bool source_is_useless(const struct addr *source, const struct addr *to, int error);

/* As route_error, from whichever of them: 0 if there is a way from one. */
int source_route_error(const struct source_list *list, const struct addr *to);

/* Whether none of those for this address is an address of this machine. */
bool source_all_missing(const struct source_list *list, const struct addr *to);

/* Whether one is not an address of this machine. */
bool source_is_missing(const struct addr *source);

#endif
