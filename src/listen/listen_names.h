/* The addresses of the names that listeners listen on. libc looks them up, and may take as long as
 * name servers are silent: not in a thread that has something else to do. */
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
    _Atomic(const struct listen_address *)
        asked; /* what is being looked up, for other threads to read; or NULL */
};

/* Looks up those of a configuration, which must live as long as they do, into a zeroed list. 0; or
 * -errno, with *ret_what set to a finished sentence (the caller frees it; NULL: no memory), and the
 * list to be freed all the same. */
int listen_names_find(struct listen_names *names, const struct config *config,
                      char **ret_what) MUST_USE;

/* What was found for an address of that configuration that is a name. */
const struct listen_name *listen_names_get(const struct listen_names *names,
                                           const struct listen_address *address);

void listen_names_free(struct listen_names *names);

#endif
