#include "conn/leg_pool.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "tls/session.h"

void leg_pool_init(struct leg_pool *pool) UNCHECKED {
    lock_init(&pool->lock, RANK_LEAF);
    TAILQ_INIT(&pool->legs);
    TAILQ_INIT(&pool->free);
    for (size_t i = 0; i < LEG_POOL_MAX; i++)
        TAILQ_INSERT_TAIL(&pool->free, &pool->places[i], entry);
    atomic_store(&pool->epoch, 1);
    atomic_store(&pool->n, 0);
}

/* A bare close would reset it (sockopt_set_server). */
void idle_leg_close(struct idle_leg *leg) {
    if (leg->fd >= 0)
        (void)shutdown(leg->fd, SHUT_RDWR);
    fd_close(&leg->fd);
    tls_session_free(leg->tls);
    member_unref(leg->member);
    leg->tls = NULL;
    leg->member = NULL;
}

/* It is out, and its place free. */
static struct idle_leg remove_leg(struct leg_pool *pool, struct idle_leg *leg)
    REQUIRES(pool->lock) {
    struct idle_leg removed = *leg;

    TAILQ_REMOVE(&pool->legs, leg, entry);
    TAILQ_INSERT_HEAD(&pool->free, leg, entry);
    atomic_fetch_sub_explicit(&pool->n, 1, memory_order_relaxed);
    return removed;
}

/* Out of the pool, if it has one since then or before. */
static bool remove_oldest(struct leg_pool *pool, usec_t since, struct idle_leg *ret_leg) {
    lock_acquire(&pool->lock);
    struct idle_leg *oldest = TAILQ_LAST(&pool->legs, idle_leg_list);
    bool found = oldest != NULL && oldest->since <= since;
    if (found)
        *ret_leg = remove_leg(pool, oldest);
    lock_release(&pool->lock);
    return found;
}

static void close_since(struct leg_pool *pool, usec_t since) {
    struct idle_leg leg;

    while (remove_oldest(pool, since, &leg))
        idle_leg_close(&leg);
}

void leg_pool_clear(struct leg_pool *pool) {
    lock_acquire(&pool->lock);
    atomic_fetch_add(&pool->epoch, 1);
    lock_release(&pool->lock);
    close_since(pool, USEC_NEVER);
}

void leg_pool_destroy(struct leg_pool *pool) UNCHECKED {
    close_since(pool, USEC_NEVER);
    lock_destroy(&pool->lock);
}

uint64_t leg_pool_epoch(struct leg_pool *pool) {
    return atomic_load(&pool->epoch);
}

bool leg_pool_put(struct leg_pool *pool, struct idle_leg *leg) {
    struct idle_leg former = {.fd = -1}, *place;
    bool only = false;

    lock_acquire(&pool->lock);
    if (leg->epoch == atomic_load(&pool->epoch)) {
        if (TAILQ_EMPTY(&pool->free))
            former = remove_leg(pool, TAILQ_LAST(&pool->legs, idle_leg_list));
        place = TAILQ_FIRST(&pool->free);
        TAILQ_REMOVE(&pool->free, place, entry);
        *place = *leg;
        place->since = clock_coarse();
        TAILQ_INSERT_HEAD(&pool->legs, place, entry);
        only = atomic_fetch_add_explicit(&pool->n, 1, memory_order_relaxed) == 0;
        *leg = (struct idle_leg){.fd = -1};
    }
    lock_release(&pool->lock);
    idle_leg_close(&former);
    idle_leg_close(leg);
    return only;
}

static bool find_leg(struct leg_pool *pool, const void *listener, const void *upstream,
                     const struct member *member, struct idle_leg *ret_leg) {
    usec_t oldest = clock_coarse() - LEG_IDLE_MAX;
    struct idle_leg *leg;

    lock_acquire(&pool->lock);
    TAILQ_FOREACH(leg, &pool->legs, entry)
        if (leg->member == member && leg->listener == listener && leg->upstream == upstream &&
            leg->since > oldest)
            break;
    if (leg != NULL)
        *ret_leg = remove_leg(pool, leg);
    lock_release(&pool->lock);
    return leg != NULL;
}

/* Its server has neither ended it nor sent what nobody has asked for. */
static bool leg_is_silent(int fd) {
    char first;

    return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool leg_pool_take(struct leg_pool *pool, const void *listener, const void *upstream,
                   const struct member *member, struct idle_leg *ret_leg) {
    while (find_leg(pool, listener, upstream, member, ret_leg)) {
        if (leg_is_silent(ret_leg->fd))
            return true;
        idle_leg_close(ret_leg);
    }
    return false;
}

usec_t leg_pool_trim(struct leg_pool *pool) {
    if (!leg_pool_has_any(pool))
        return USEC_NEVER;
    close_since(pool, clock_coarse() - LEG_IDLE_MAX);
    lock_acquire(&pool->lock);
    struct idle_leg *oldest = TAILQ_LAST(&pool->legs, idle_leg_list);
    usec_t next = oldest != NULL ? oldest->since + LEG_IDLE_MAX : USEC_NEVER;
    lock_release(&pool->lock);
    return next;
}
