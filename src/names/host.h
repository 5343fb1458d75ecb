/* The addresses of a host. IPv4 and IPv6 are asked for apart, each when its own TTL is over, and
 * each keeps its last good addresses while nobody can say what they are now. What a host's
 * addresses are does not depend on who asks, so servers that differ in the port alone, and the
 * configuration before and after a reload, have one host together.
 *
 * All of it is the resolver's thread's. */
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
    FAMILY_UNKNOWN, /* there was no answer yet */
    FAMILY_FOUND,
    FAMILY_NONE,   /* the answer is that there are none */
    FAMILY_FAILED, /* nobody knows */
};

struct family {
    enum family_state state;   /* by the last answer */
    const char *why;           /* it is not FOUND */
    unsigned char (*list)[16]; /* the last good ones, sorted; of IPv4 the first 4 bytes */
    size_t n;
    int from;    /* the candidate (etc_candidate) that they are the addresses of, or FROM_HOSTS */
    int asked;   /* the candidate that is asked now; -1: none */
    bool parked; /* it has none there; whether that is the host, the other family must tell */
    unsigned serial; /* of the query under way; an answer to one before comes too late */
    usec_t due, retry;
    usec_t pause; /* of the last FOUND */
};

#define FROM_HOSTS (-1) /* /etc/hosts, which has no families: what it says of a host is all */

/* That something is looked up: its owner's, who fills it in. */
struct wish {
    LIST_ENTRY(wish) entry;
    usec_t interval;         /* again, at the latest */
    void (*news)(void *arg); /* the addresses have changed, or whether they can be looked up */
    void *arg;
    bool of_service; /* it is a target of one */
};

LIST_HEAD(wish_list, wish);

/* The shortest interval of them; USEC_NEVER: there are none. */
usec_t wish_interval(const struct wish_list *wishes);

struct host {
    char name[ADDR_NAME_MAX + 1]; /* the first member: it is the key of the tree */
    TAILQ_ENTRY(host) entry;
    struct cache *cache;
    struct family family[FAMILIES];
    size_t queries; /* under way, those that come too late included */
    struct wish_list wishes;
    usec_t interval;       /* the shortest of the wishes */
    usec_t unwanted_since; /* while there are none */
    enum host_trouble {
        HOST_FINE,
        HOST_IPV4_FAILS,
        HOST_IPV6_FAILS,
        HOST_FAILS
    } said;         /* in the log */
    bool say_again; /* somebody new wants it: what still fails is worth another line */
};

/* A name that failed is tried again after RETRY_FIRST, then twice that, up to its interval; one
 * that was found when its TTL is over, but not before TTL_LEAST. */
#define TTL_LEAST   USEC_PER_SEC
#define RETRY_FIRST USEC_PER_SEC

/* The host of this name, new or not. NULL: no memory. */
struct host *host_get(struct cache *cache, const char *name);

/* Takes the wish in, and looks the host up now: even if it is known, or only if it is new, or was
 * unwanted. */
void host_want(struct host *host, struct wish *wish);
void host_join(struct host *host, struct wish *wish);

/* The wish is over. Without any the host is not looked up any more, but stays for a while: a name
 * that comes back meanwhile has addresses even if DNS is away then. */
void host_unwant(struct host *host, struct wish *wish);

/* Begins the lookups that are due; frees it if nobody has wanted it for too long. Returns when
 * there is something to do next. */
usec_t host_go_on(struct host *host, usec_t now);

void host_free(struct host *host); /* no query may be under way */

/* Both families have had an answer, or a failure. */
bool host_is_settled(const struct host *host);

/* DNS says, of both families, that there is nothing. */
bool host_is_absent(const struct host *host);

/* What the log should have said of it. While that is not yet known: what it has. */
enum host_trouble host_trouble(const struct host *host);

/* Why it has no addresses. */
const char *host_why(const struct host *host);

/* Adds its addresses with this port and the rest of the endpoint. False: no memory. */
bool host_add_endpoints(const struct host *host, unsigned port, unsigned priority, unsigned weight,
                        struct endpoints *endpoints) MUST_USE;

#endif
