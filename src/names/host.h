/* A host's addresses. IPv4 and IPv6 are looked up apart, each after its TTL, and keep their last
 * good addresses while DNS does not answer. Servers with other ports, and configurations before
 * and after a reload, share a host.
 *
 * The resolver's thread only. */
#ifndef NAMES_HOST_H
#define NAMES_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "names/cache.h"
#include "names/endpoints.h"

enum family_kind { FAMILY_IPV4, FAMILY_IPV6, FAMILIES };

enum family_state {
    FAMILY_UNKNOWN, /* no answer yet */
    FAMILY_FOUND,
    FAMILY_NONE,   /* by DNS */
    FAMILY_FAILED, /* no valid answer */
};

struct family {
    enum family_state state;   /* by the last answer */
    const char *why;           /* if not FOUND */
    unsigned char (*list)[16]; /* the last good ones, sorted; of IPv4 the first 4 bytes */
    size_t n;
    int from;        /* the candidate (etc_candidate) they are of, or FROM_HOSTS */
    int asked;       /* the candidate under way; -1: none */
    bool parked;     /* none there; the other family decides on the host */
    unsigned serial; /* of the query under way; earlier answers are ignored */
    usec_t due, retry;
    usec_t pause; /* after FOUND */
};

#define FROM_HOSTS (-1) /* /etc/hosts, for both families */

/* Who wants a host or service looked up; the owner fills it in. */
struct wish {
    LIST_ENTRY(wish) entry;
    usec_t interval;         /* at the latest */
    void (*news)(void *arg); /* addresses, or whether it can be looked up, changed */
    void *arg;
    bool of_service; /* of a target */
};

LIST_HEAD(wish_list, wish);

/* The shortest; USEC_NEVER: there are none. */
usec_t wish_interval(const struct wish_list *wishes);

struct host {
    char name[ADDR_NAME_MAX + 1]; /* first: the key of the tree */
    TAILQ_ENTRY(host) entry;
    struct cache *cache;
    struct family family[FAMILIES];
    size_t queries; /* under way, ignored ones included */
    struct wish_list wishes;
    usec_t interval;       /* the shortest of the wishes */
    usec_t unwanted_since; /* 0: there are some */
    enum host_trouble {
        HOST_FINE,
        HOST_IPV4_FAILS,
        HOST_IPV6_FAILS,
        HOST_FAILS,
        HOST_ABSENT /* host_is_absent */
    } said;         /* in the log */
    bool say_again; /* a new wish: what still fails is logged again */
};

/* A failed name is tried again after RETRY_FIRST, then twice that, up to the interval; a found one
 * after its TTL, at least TTL_LEAST. */
#define TTL_LEAST   USEC_PER_SEC
#define RETRY_FIRST USEC_PER_SEC

/* Finds or makes the host. NULL: no memory. */
struct host *host_get(struct cache *cache, const char *name);

/* want looks the host up now; join only if it is new, or was unwanted. */
void host_want(struct host *host, struct wish *wish);
void host_join(struct host *host, struct wish *wish);

/* A host without wishes is not looked up, but kept for a while: a name that comes back has
 * addresses even without DNS. */
void host_unwant(struct host *host, struct wish *wish);

/* Begins due lookups; frees a host unwanted for too long. Returns when to call again. */
usec_t host_go_on(struct host *host, usec_t now);

void host_free(struct host *host); /* no query may be under way */

/* Both families were answered, or failed. */
bool host_is_settled(const struct host *host);

/* DNS says that it has none. */
bool host_is_absent(const struct host *host);

/* What the log should say; while unknown, what it says. */
enum host_trouble host_trouble(const struct host *host);

/* Why it has no addresses. */
const char *host_why(const struct host *host);

/* Adds an endpoint for each address. False: no memory. */
bool host_add_endpoints(const struct host *host, unsigned port, unsigned priority, unsigned weight,
                        struct endpoints *endpoints) MUST_USE;

#endif
