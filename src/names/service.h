/* A service: the targets that SRV records (RFC 2782) name. Its records and each of its targets are
 * looked up apart: what cannot be looked up now stays as it was, and nothing else does. The
 * resolver's thread's. */
#ifndef NAMES_SERVICE_H
#define NAMES_SERVICE_H

#include "names/host.h"

struct service_target {
    struct host *host;
    struct wish wish; /* of the host */
    unsigned port, priority, weight;
};

struct service {
    char name[ADDR_NAME_MAX + 1]; /* the first member: it is the key of the tree */
    TAILQ_ENTRY(service) entry;
    struct cache *cache;
    enum family_state
        state; /* of its records; NONE: there are none, or they say that it is not available */
    const char *why; /* it is not FOUND */
    struct service_target
        *targets; /* the last good ones; of more than ENDPOINTS_MOST the first priorities */
    size_t n_targets, n_left_out;
    usec_t due, retry;
    bool asked;
    struct wish_list wishes;
    usec_t interval;   /* the shortest of the wishes */
    bool failure_said; /* in the log */
};

/* The service of this name, new or not. NULL: no memory. */
struct service *service_get(struct cache *cache, const char *name);

/* As host_want and host_unwant; but nothing of it stays without wishes. */
void service_want(struct service *service, struct wish *wish);
void service_unwant(struct service *service, struct wish *wish);

/* As host_go_on. */
usec_t service_go_on(struct service *service, usec_t now);

void service_free(struct service *service);

/* There is an answer, or a failure, of all that it is made of. */
bool service_is_settled(const struct service *service);

const char *service_why(const struct service *service);

/* The endpoints of its targets but for those that DNS says are not there. False: no memory. */
bool service_add_endpoints(const struct service *service, struct endpoints *endpoints) MUST_USE;

#endif
