/* A service: the targets of SRV records (RFC 2782). The records and each target are looked up
 * apart; what fails stays as it was. The resolver's thread's. */
#ifndef NAMES_SERVICE_H
#define NAMES_SERVICE_H

#include "names/host.h"

struct service_target {
    struct host *host;
    struct wish wish; /* for the host */
    unsigned port, priority, weight;
};

struct service {
    char name[ADDR_NAME_MAX + 1]; /* first: the key of the tree */
    TAILQ_ENTRY(service) entry;
    struct cache *cache;
    enum family_state state; /* of its records; NONE: none, or they say "not available" */
    const char *why;         /* if not FOUND */
    struct service_target
        *targets; /* the last good ones; of more than ENDPOINTS_MOST the first priorities */
    size_t n_targets, n_left_out;
    usec_t due, retry;
    bool asked;
    struct wish_list wishes;
    usec_t interval;        /* the shortest of the wishes */
    enum family_state said; /* in the log, if it fails; else FOUND */
    bool say_again;         /* a new wish: if it still fails, that is logged again */
};

/* Finds or makes the service. NULL: no memory. */
struct service *service_get(struct cache *cache, const char *name);

/* As host_want and host_unwant; but without wishes it is freed. */
void service_want(struct service *service, struct wish *wish);
void service_unwant(struct service *service, struct wish *wish);

/* As host_go_on. */
usec_t service_go_on(struct service *service, usec_t now);

void service_free(struct service *service);

/* Its records and targets were answered, or failed. */
bool service_is_settled(const struct service *service);

const char *service_why(const struct service *service);

/* The endpoints of all targets that DNS does not deny. False: no memory. */
bool service_add_endpoints(const struct service *service, struct endpoints *endpoints) MUST_USE;

#endif
