/* The addresses of names that listeners listen on. libc looks them up, and waits for name servers:
 * only in a thread that may. */
#ifndef LISTEN_LISTEN_NAMES_H
#define LISTEN_LISTEN_NAMES_H

#include <stdatomic.h>

#include "config/config.h"

/* One name. */
struct listen_name {
    const struct listen_address *address; /* as the operator wrote it */
    struct addr *list;                    /* each address once */
    size_t n;
};

struct listen_names {
    struct listen_name *list;
    size_t n;
    /* being looked up, for other threads to read; or NULL */
    _Atomic(const struct listen_address *) asked;
};

/* Looks names up into a zeroed list, which the configuration must outlive; those of the status
 * section become its places. False: one was not
 * found, and *ret_what is a finished sentence (the caller frees it; NULL: no memory). The list is
 * to be freed in any case. */
bool listen_names_find(struct listen_names *names, struct config *config, char **ret_what) MUST_USE;

/* What was found for an address that is a name. */
const struct listen_name *listen_names_get(const struct listen_names *names,
                                           const struct listen_address *address);

void listen_names_free(struct listen_names *names);

#endif
