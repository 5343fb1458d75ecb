#include "upstream/members.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/sync.h"

#define BUCKETS_FIRST 64 /* doubled when there are more members */
#define SWEEP_MOST    8  /* looked at for each that comes: more than come */

LIST_HEAD(bucket, member);
TAILQ_HEAD(departed_list, member);

struct members {
    _Atomic unsigned refs;
    struct lock lock;
    struct bucket *buckets GUARDED;
    size_t n_buckets GUARDED, n GUARDED, n_departed GUARDED;
    struct departed_list departed GUARDED; /* the first to leave is first */
};

struct members *members_new(void) UNCHECKED {
    struct members *members = calloc(1, sizeof(*members));

    if (members == NULL)
        return NULL;
    members->buckets = calloc(BUCKETS_FIRST, sizeof(*members->buckets));
    if (members->buckets == NULL) {
        free(members);
        return NULL;
    }
    members->n_buckets = BUCKETS_FIRST;
    atomic_init(&members->refs, 1);
    lock_init(&members->lock, RANK_LEAF);
    TAILQ_INIT(&members->departed);
    return members;
}

struct members *members_ref(struct members *members) {
    atomic_fetch_add_explicit(&members->refs, 1, memory_order_relaxed);
    return members;
}

void members_unref(struct members *members) UNCHECKED {
    struct member *member;

    if (members == NULL || atomic_fetch_sub_explicit(&members->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < members->n_buckets; i++)
        while ((member = LIST_FIRST(&members->buckets[i])) != NULL) {
            LIST_REMOVE(member, in_bucket);
            member_unref(member);
        }
    free(members->buckets);
    lock_destroy(&members->lock);
    free(members);
}

/* Of the address's bytes, not its text; of a unix socket's path. */
static uint64_t hash_identity(const char *upstream, const char *server, const struct addr *addr) {
    unsigned char bytes[18] = {0};
    uint64_t names =
        hash_pair(hash_bytes(upstream, strlen(upstream)), hash_bytes(server, strlen(server)));

    if (addr_is_unix(addr))
        return hash_pair(names, hash_bytes(&addr->u, addr->len));
    (void)addr_ipv6_bytes(addr, bytes);
    bytes[16] = (unsigned char)(addr_port(addr) >> 8);
    bytes[17] = (unsigned char)addr_port(addr);
    return hash_pair(names, hash_bytes(bytes, sizeof(bytes)));
}

static struct member *find_known_member(const struct members *members, uint64_t hash,
                                        const char *upstream, const char *server,
                                        const struct addr *addr) REQUIRES(members->lock) {
    struct member *member;

    LIST_FOREACH(member, &members->buckets[hash & (members->n_buckets - 1)], in_bucket)
        if (member->hash == hash && addr_equal(&member->addr, addr) &&
            strcmp(member->server, server) == 0 && strcmp(member->upstream, upstream) == 0)
            return member;
    return NULL;
}

static void insert_member(struct bucket *buckets, size_t n, struct member *member) {
    LIST_INSERT_HEAD(&buckets[member->hash & (n - 1)], member, in_bucket);
}

static void depart_member(struct members *members, struct member *member, usec_t now)
    REQUIRES(members->lock) {
    member->left_at = now;
    TAILQ_INSERT_TAIL(&members->departed, member, departed);
    members->n_departed++;
}

static void come_back(struct members *members, struct member *member) REQUIRES(members->lock) {
    TAILQ_REMOVE(&members->departed, member, departed);
    members->n_departed--;
}

/* Takes one out that departed long ago and that nobody has, for the caller; used ones go to the
 * end. NULL: there is none. */
static struct member *sweep_departed(struct members *members, usec_t now) REQUIRES(members->lock) {
    for (int i = 0; i < SWEEP_MOST; i++) {
        struct member *member = TAILQ_FIRST(&members->departed);

        if (member == NULL || (now - member->left_at < MEMBERS_DEPARTED_FOR &&
                               members->n_departed <= MEMBERS_DEPARTED_MOST))
            return NULL;
        come_back(members, member);
        if (atomic_load(&member->refs) > 1) {
            depart_member(members, member, now);
            continue;
        }
        LIST_REMOVE(member, in_bucket);
        members->n--;
        return member;
    }
    return NULL;
}

static void tidy_members(struct members *members) {
    usec_t now = clock_coarse();

    for (int i = 0; i < 2; i++) { /* more than come */
        lock_acquire(&members->lock);
        struct member *forgotten = sweep_departed(members, now);
        lock_release(&members->lock);
        member_unref(forgotten);
    }
}

/* Without memory buckets only get longer. */
static void grow_members(struct members *members, size_t n) {
    struct bucket *bigger = calloc(n * 2, sizeof(*bigger));
    struct member *member;

    if (bigger == NULL)
        return;
    lock_acquire(&members->lock);
    if (members->n_buckets == n) {
        struct bucket *old = members->buckets;

        for (size_t i = 0; i < n; i++)
            while ((member = LIST_FIRST(&old[i])) != NULL) {
                LIST_REMOVE(member, in_bucket);
                insert_member(bigger, n * 2, member);
            }
        members->buckets = bigger;
        members->n_buckets = n * 2;
        bigger = old;
    }
    lock_release(&members->lock);
    free(bigger);
}

struct member *members_get(struct members *members, const char *upstream, const char *server,
                           const struct addr *addr) {
    uint64_t hash = hash_identity(upstream, server, addr);

    lock_acquire(&members->lock);
    struct member *member = find_known_member(members, hash, upstream, server, addr);
    if (member != NULL)
        (void)member_ref(member);
    lock_release(&members->lock);
    if (member != NULL)
        return member;
    struct member *fresh = member_new(upstream, server, addr);
    if (fresh == NULL)
        return NULL;
    fresh->hash = hash;
    lock_acquire(&members->lock);
    member =
        find_known_member(members, hash, upstream, server, addr); /* somebody else was faster? */
    if (member == NULL) {
        member = fresh;
        fresh = NULL;
        insert_member(members->buckets, members->n_buckets, member);
        members->n++;
        depart_member(members, member, clock_coarse());
    }
    (void)member_ref(member);
    size_t n = members->n, n_buckets = members->n_buckets;
    lock_release(&members->lock);
    member_unref(fresh);
    if (n > n_buckets)
        grow_members(members, n_buckets);
    tidy_members(members);
    return member;
}

void members_list(struct members *members, struct member *member) {
    lock_acquire(&members->lock);
    if (member->rosters++ == 0)
        come_back(members, member);
    lock_release(&members->lock);
}

void members_unlist(struct members *members, struct member *member) {
    lock_acquire(&members->lock);
    if (--member->rosters == 0)
        depart_member(members, member, clock_coarse());
    lock_release(&members->lock);
    member_unref(member);
    tidy_members(members);
}

size_t members_count_live(struct members *members, const char *upstream, const char *server) {
    const struct member *member;
    size_t live = 0;

    lock_acquire(&members->lock);
    for (size_t i = 0; i < members->n_buckets; i++)
        LIST_FOREACH(member, &members->buckets[i], in_bucket)
            if (strcmp(member->server, server) == 0 && strcmp(member->upstream, upstream) == 0)
                live += atomic_load(&member->live);
    lock_release(&members->lock);
    return live;
}

size_t members_list_live(struct members *members, struct member **ret_list, size_t most) {
    struct member *member;
    size_t n = 0;

    lock_acquire(&members->lock);
    for (size_t i = 0; i < members->n_buckets; i++)
        LIST_FOREACH(member, &members->buckets[i], in_bucket) {
            if (atomic_load(&member->live) == 0)
                continue;
            if (n < most)
                ret_list[n] = member_ref(member);
            n++;
        }
    lock_release(&members->lock);
    return n;
}

size_t members_count(struct members *members) {
    lock_acquire(&members->lock);
    size_t n = members->n;
    lock_release(&members->lock);
    return n;
}
