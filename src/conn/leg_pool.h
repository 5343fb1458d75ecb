/* Connections to servers that no client has at the moment: idle legs, for clients to come (reuse =
 * proven; who may have one is said in exchange.h, shared_leg). Bounded, and each for a while. */
#ifndef CONN_LEG_POOL_H
#define CONN_LEG_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/sync.h"
#include "upstream/member.h"

#define LEG_POOL_MAX 256                /* idle legs in all; then the oldest is closed */
#define LEG_IDLE_MAX (5 * USEC_PER_SEC) /* then it is closed: servers wait as long, or longer */

struct tls_session;

struct idle_leg {
    TAILQ_ENTRY(idle_leg) entry;
    /* Who may have it: clients of this listener, for requests that go to this upstream. Compared,
     * never followed. */
    const void *listener, *upstream;
    uint64_t epoch; /* leg_pool_epoch when it was dialled */
    int fd;
    struct tls_session *tls; /* or NULL */
    struct member *member;   /* a reference; it does not count there */
    struct addr address;     /* as it was dialled */
    unsigned served;         /* clean exchanges so far */
    uint64_t received;       /* bytes that came from its server */
    usec_t since;            /* the pool's */
};

TAILQ_HEAD(idle_leg_list, idle_leg);

struct leg_pool {
    struct lock lock;
    struct idle_leg_list legs GUARDED; /* the newest first */
    struct idle_leg_list free GUARDED; /* unused places */
    struct idle_leg places[LEG_POOL_MAX];
    _Atomic uint64_t epoch; /* changed under the lock */
    _Atomic size_t n;       /* of legs; likewise */
};

/* In order, and all that it holds. */
void idle_leg_close(struct idle_leg *leg);

void leg_pool_init(struct leg_pool *pool);
void leg_pool_destroy(struct leg_pool *pool);

/* Another configuration is in force, or a server was taken out: closes all, and takes none that was
 * dialled before. Any thread, no leaf lock held. */
void leg_pool_clear(struct leg_pool *pool);
uint64_t leg_pool_epoch(struct leg_pool *pool);

/* Takes all that it holds, or closes it at once: nothing is left in it. True: it is the only one,
 * to be trimmed in LEG_IDLE_MAX. Any thread, no leaf lock held. */
bool leg_pool_put(struct leg_pool *pool, struct idle_leg *leg);

/* The newest to this member that is neither at its end nor has bytes that nobody asked for. False:
 * there is none. Any thread, no leaf lock held. */
bool leg_pool_take(struct leg_pool *pool, const void *listener, const void *upstream,
                   const struct member *member, struct idle_leg *ret_leg) MUST_USE;

/* Whether it is worth while to ask: there is any leg. */
static inline bool leg_pool_has_any(struct leg_pool *pool) {
    return atomic_load_explicit(&pool->n, memory_order_relaxed) > 0;
}

/* Closes those whose time is up. When the next one's is; USEC_NEVER: there is none. */
usec_t leg_pool_trim(struct leg_pool *pool);

#endif
