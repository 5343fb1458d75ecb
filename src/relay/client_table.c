/* A hash table of entries in one of two states: of clients that have connections, and of those that had, whose rate is
 * still remembered, in the order of their last use. The buckets are an array of fixed size, and entries are allocated
 * before the lock is taken: nothing is allocated under it, which is why this is no uthash, whose table grows as it is
 * filled. The hash is keyed: clients choose their addresses. */
#include "relay/client_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/siphash.h"
#include "base/sync.h"

#define BUCKETS     16384 /* with CLIENT_TABLE_IDLE_MAX entries, four in each */
#define BURST_TIMES 2     /* seconds' worth of connections that a client may open at once */

/* A client: an IPv4 address, or the first half of an IPv6 address. */
struct key {
    uint64_t high, low; /* the halves of an IPv6 address; low is 0 but for IPv4 */
};

struct client_entry {
    LIST_ENTRY(client_entry) in_bucket;
    TAILQ_ENTRY(client_entry) in_idle; /* while live is 0 */
    struct key key;
    size_t live;
    usec_t
        full_at; /* when its bucket will be full again: each connection costs a share of a second */
};

LIST_HEAD(bucket, client_entry);

struct client_table {
    struct lock lock;
    struct siphash_key secret;
    size_t n GUARDED, n_idle GUARDED;
    TAILQ_HEAD(, client_entry) idle GUARDED; /* the one that was used longest ago first */
    struct bucket buckets[BUCKETS] GUARDED;
};

struct client_table *client_table_new(void) UNCHECKED {
    struct client_table *table =
        calloc(1, sizeof(*table)); /* pages that are never used cost nothing */

    if (table == NULL)
        return NULL;
    lock_init(&table->lock, RANK_LEAF);
    table->secret = siphash_key_new();
    TAILQ_INIT(&table->idle);
    return table;
}

void client_table_free(struct client_table *table) UNCHECKED {
    struct client_entry *entry;

    if (table == NULL)
        return;
    CHECK(table->n == table->n_idle);
    while ((entry = TAILQ_FIRST(&table->idle)) != NULL) {
        TAILQ_REMOVE(&table->idle, entry, in_idle);
        free(entry);
    }
    lock_destroy(&table->lock);
    free(table);
}

/* False: not an IP address. IPv4 is ::ffff:a.b.c.d as a whole, and so apart from each /64 of IPv6. */
static bool make_key(const struct addr *client, struct key *key) {
    unsigned char bytes[16];

    *key = (struct key){0, 0};
    if (!addr_ipv6_bytes(client, bytes))
        return false;
    memcpy(&key->high, bytes, sizeof(key->high));
    if (addr_bytes_are_ipv4(bytes))
        memcpy(&key->low, bytes + sizeof(key->high), sizeof(key->low));
    return true;
}

static struct bucket *bucket_of(struct client_table *table, const struct key *key)
    REQUIRES(table->lock) {
    return &table->buckets[siphash(&table->secret, key->high, key->low) % BUCKETS];
}

static struct client_entry *find(struct bucket *bucket, const struct key *key) {
    struct client_entry *entry;

    LIST_FOREACH(entry, bucket, in_bucket)
    if (entry->key.high == key->high && entry->key.low == key->low)
        return entry;
    return NULL;
}

/* Takes an idle entry out of the table. The caller frees it. */
static void forget(struct client_table *table, struct client_entry *entry) REQUIRES(table->lock) {
    TAILQ_REMOVE(&table->idle, entry, in_idle);
    LIST_REMOVE(entry, in_bucket);
    table->n_idle--;
    table->n--;
}

/* Whether the rate admits one more now; then *ret_full_at is when the bucket will be full after it. The bucket holds
 * BURST_TIMES * rate connections and gains one each second / rate. */
static bool within_rate(const struct client_entry *entry, int64_t rate, usec_t now,
                        usec_t *ret_full_at) {
    usec_t cost = USEC_PER_SEC / rate > 0 ? USEC_PER_SEC / rate : 1;
    usec_t full_at = entry->full_at > now ? entry->full_at : now;

    *ret_full_at = full_at + cost;
    return *ret_full_at - now <= BURST_TIMES * rate * cost;
}

enum client_outcome client_table_enter(struct client_table *table, const struct addr *client,
                                       int64_t max_connections, int64_t max_rate, usec_t now,
                                       struct client_entry **ret_entry) {
    enum client_outcome outcome = CLIENT_OK;
    struct client_entry *spare, *old = NULL;
    usec_t full_at = 0;
    struct key key;

    *ret_entry = NULL;
    if (!make_key(client, &key))
        return CLIENT_OK;
    spare = calloc(1, sizeof(*spare));
    if (spare == NULL)
        return CLIENT_OK;
    lock_acquire(&table->lock);
    struct bucket *bucket = bucket_of(table, &key);
    struct client_entry *entry = find(bucket, &key), *looked_at = entry != NULL ? entry : spare;

    if (max_connections > 0 && looked_at->live >= (size_t)max_connections)
        outcome = CLIENT_TOO_MANY;
    else if (max_rate > 0 && !within_rate(looked_at, max_rate, now, &full_at))
        outcome = CLIENT_TOO_FAST;
    if (outcome == CLIENT_OK) {
        if (entry == NULL) {
            entry = spare;
            spare = NULL;
            entry->key = key;
            LIST_INSERT_HEAD(bucket, entry, in_bucket);
            table->n++;
        } else if (entry->live == 0) {
            TAILQ_REMOVE(&table->idle, entry, in_idle);
            table->n_idle--;
        }
        entry->live++;
        if (max_rate > 0)
            entry->full_at = full_at;
        *ret_entry = entry;
    }
    /* What is full again need not be remembered. One for each that comes keeps up. */
    old = TAILQ_FIRST(&table->idle);
    if (old != NULL && old->full_at <= now)
        forget(table, old);
    else
        old = NULL;
    lock_release(&table->lock);
    free(old);
    free(spare);
    return outcome;
}

void client_table_leave(struct client_table *table, struct client_entry *entry) {
    struct client_entry *old = NULL;

    if (entry == NULL)
        return;
    lock_acquire(&table->lock);
    CHECK(entry->live > 0);
    if (--entry->live == 0) {
        TAILQ_INSERT_TAIL(&table->idle, entry, in_idle);
        table->n_idle++;
        if (entry->full_at == 0) /* no rate to remember */
            old = entry;
        else if (table->n_idle > CLIENT_TABLE_IDLE_MAX)
            old = TAILQ_FIRST(&table->idle);
        if (old != NULL)
            forget(table, old);
    }
    lock_release(&table->lock);
    free(old);
}

size_t client_table_size(struct client_table *table) {
    lock_acquire(&table->lock);
    size_t n = table->n;
    lock_release(&table->lock);
    return n;
}
