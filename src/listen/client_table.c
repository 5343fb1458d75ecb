/* A hash table of clients that have connections, and of those whose rate is still remembered, in
 * the order of last use. The buckets are an array of fixed size, and entries are allocated before
 * the lock is taken, since nothing is allocated under it: hence no uthash, whose table grows. The
 * hash is keyed: clients choose their addresses.
 *
 * A connection has a seat that knows its whole address, so that all can be counted anew when
 * another part of it makes a client. */
#include "listen/client_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/embedded.h"
#include "base/siphash.h"
#include "base/sync.h"

#define BUCKETS     16384 /* with CLIENT_TABLE_IDLE_MAX entries, four in each */
#define VAIN_QUIET  USEC_PER_SEC
#define BURST_TIMES 2 /* seconds' worth of connections a client may open at once */

/* A client: an IPv4 address as ::ffff:a.b.c.d, or the first bits of an IPv6 address. */
struct key {
    unsigned char bytes[16];
};

struct client_entry {
    LIST_ENTRY(client_entry) in_bucket;
    union {
        TAILQ_ENTRY(client_entry) in_idle; /* while live is 0 */
        LIST_ENTRY(client_entry) in_spares;
    };
    struct key key;
    size_t live;
    usec_t vain;    /* the last vain wait for one of its connections; 0: none */
    usec_t full_at; /* when its bucket is full: a connection costs a share of a second */
};

struct client_seat {
    LIST_ENTRY(client_seat) in_seats;
    struct key whole;           /* its address */
    struct client_entry *entry; /* NULL: there was no memory to count it anew */
};

LIST_HEAD(spares, client_entry);
LIST_HEAD(bucket, client_entry);

struct client_table {
    struct lock lock;
    struct siphash_key secret;
    unsigned prefix_v6 GUARDED; /* bits */
    size_t n GUARDED, n_idle GUARDED, n_seats GUARDED;
    LIST_HEAD(, client_seat) seats GUARDED;
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
    table->prefix_v6 = CLIENT_TABLE_PREFIX_V6;
    TAILQ_INIT(&table->idle);
    LIST_INIT(&table->seats);
    return table;
}

void client_table_free(struct client_table *table) UNCHECKED {
    struct client_entry *entry;

    if (table == NULL)
        return;
    CHECK(table->n == table->n_idle && table->n_seats == 0);
    while ((entry = TAILQ_FIRST(&table->idle)) != NULL) {
        TAILQ_REMOVE(&table->idle, entry, in_idle);
        free(entry);
    }
    lock_destroy(&table->lock);
    free(table);
}

/* The whole address; IPv4 inside IPv6 is IPv4, so that nobody is two clients. False: no IP
 * address. */
static bool read_whole(const struct addr *client, struct key *ret_whole) {
    struct addr within[EMBEDDED_MOST];

    return addr_ipv6_bytes(embedded_find(client, within) > 0 ? &within[0] : client,
                           ret_whole->bytes);
}

static bool key_is_ipv6(const struct key *key) {
    return !addr_bytes_are_ipv4(key->bytes);
}

/* What of an address is its client. */
static struct key client_key(const struct key *whole, unsigned prefix_v6) {
    struct key key = *whole;

    for (unsigned i = prefix_v6 / 8; i < sizeof(key.bytes) && key_is_ipv6(whole); i++)
        key.bytes[i] &= (unsigned char)(i > prefix_v6 / 8 ? 0 : 0xff00 >> prefix_v6 % 8);
    return key;
}

bool client_table_prefix(const struct addr *client, unsigned prefix_v6,
                         unsigned char ret_bytes[16]) {
    struct key key;

    if (!read_whole(client, &key))
        return false;
    key = client_key(&key, prefix_v6);
    memcpy(ret_bytes, key.bytes, 16);
    return true;
}

static struct bucket *bucket_of(struct client_table *table, const struct key *key)
    REQUIRES(table->lock) {
    uint64_t high, low;

    memcpy(&high, key->bytes, sizeof(high));
    memcpy(&low, key->bytes + sizeof(high), sizeof(low));
    return &table->buckets[siphash(&table->secret, high, low) % BUCKETS];
}

static struct client_entry *find_entry(struct bucket *bucket, const struct key *key) {
    struct client_entry *entry;

    LIST_FOREACH(entry, bucket, in_bucket)
        if (memcmp(&entry->key, key, sizeof(*key)) == 0)
            return entry;
    return NULL;
}

/* Takes an idle entry out of the table. The caller frees it. */
static void forget_entry(struct client_table *table, struct client_entry *entry)
    REQUIRES(table->lock) {
    TAILQ_REMOVE(&table->idle, entry, in_idle);
    LIST_REMOVE(entry, in_bucket);
    table->n_idle--;
    table->n--;
}

/* Whether the rate admits one more; then *ret_full_at is when its bucket will be full again. It
 * holds BURST_TIMES * rate connections and gains one each second / rate. */
static bool within_rate(const struct client_entry *entry, int64_t rate, usec_t now,
                        usec_t *ret_full_at) {
    usec_t cost = USEC_PER_SEC / rate > 0 ? USEC_PER_SEC / rate : 1;
    usec_t full_at = entry->full_at > now ? entry->full_at : now;

    *ret_full_at = full_at + cost;
    return *ret_full_at - now <= BURST_TIMES * rate * cost;
}

/* An entry that is new. */
static void insert_entry(struct client_table *table, struct bucket *bucket,
                         struct client_entry *entry, const struct key *key) REQUIRES(table->lock) {
    entry->key = *key;
    LIST_INSERT_HEAD(bucket, entry, in_bucket);
    table->n++;
}

/* Seats a connection whose client is admitted; takes *seat, and *spare if the client is new. */
static void take_seat(struct client_table *table, const struct key *key, usec_t full_at,
                      struct client_seat **seat, struct client_entry **spare)
    REQUIRES(table->lock) {
    struct bucket *bucket = bucket_of(table, key);
    struct client_entry *entry = find_entry(bucket, key);

    if (entry == NULL) {
        entry = *spare;
        *spare = NULL;
        insert_entry(table, bucket, entry, key);
    } else if (entry->live == 0) {
        TAILQ_REMOVE(&table->idle, entry, in_idle);
        table->n_idle--;
    }
    entry->live++;
    if (full_at != 0)
        entry->full_at = full_at;
    (*seat)->entry = entry;
    LIST_INSERT_HEAD(&table->seats, *seat, in_seats);
    table->n_seats++;
    *seat = NULL;
}

/* *ret_full_at: as within_rate, on CLIENT_OK with a max_rate. */
static enum client_outcome judge_client(const struct client_entry *entry, int64_t max_connections,
                                        int64_t max_rate, usec_t now, usec_t *ret_full_at) {
    if (max_connections > 0 && entry->live >= (size_t)max_connections)
        return CLIENT_TOO_MANY;
    if (max_rate > 0 && !within_rate(entry, max_rate, now, ret_full_at))
        return CLIENT_TOO_FAST;
    return CLIENT_OK;
}

enum client_outcome client_table_enter(struct client_table *table, const struct addr *client,
                                       int64_t max_connections, int64_t max_rate, usec_t now,
                                       struct client_seat **ret_seat) {
    enum client_outcome outcome = CLIENT_OK;
    struct client_seat *seat = calloc(1, sizeof(*seat)), *unused = seat;
    struct client_entry *spare = calloc(1, sizeof(*spare)), *old = NULL;
    usec_t full_at = 0;

    *ret_seat = NULL;
    if (seat == NULL || spare == NULL || !read_whole(client, &seat->whole)) {
        free(seat);
        free(spare);
        return CLIENT_OK;
    }
    lock_acquire(&table->lock);
    struct key key = client_key(&seat->whole, table->prefix_v6);
    const struct client_entry *entry = find_entry(bucket_of(table, &key), &key);
    outcome = judge_client(entry != NULL ? entry : spare, max_connections, max_rate, now, &full_at);
    if (outcome == CLIENT_OK) {
        *ret_seat = seat;
        take_seat(table, &key, full_at, &unused, &spare);
    }
    /* A full bucket need not be remembered. One for each connection keeps up. */
    old = TAILQ_FIRST(&table->idle);
    if (old != NULL && old->full_at <= now)
        forget_entry(table, old);
    else
        old = NULL;
    lock_release(&table->lock);
    free(old);
    free(spare);
    free(unused);
    return outcome;
}

/* The entry of a client, if there is one. */
static struct client_entry *find_client(struct client_table *table, const struct addr *client)
    REQUIRES(table->lock) {
    struct key whole, key;

    if (!read_whole(client, &whole))
        return NULL;
    key = client_key(&whole, table->prefix_v6);
    return find_entry(bucket_of(table, &key), &key);
}

struct client_look client_table_look(struct client_table *table, const struct addr *client,
                                     int64_t max_connections, int64_t max_rate, usec_t now) {
    struct client_entry entry = {0};
    struct client_look look = {0};
    usec_t full_at, cost;

    lock_acquire(&table->lock);
    const struct client_entry *found = find_client(table, client);
    if (found != NULL)
        entry = (struct client_entry){.live = found->live, .full_at = found->full_at};
    lock_release(&table->lock);
    look.live = entry.live;
    look.outcome = judge_client(&entry, max_connections, max_rate, now, &full_at);
    if (max_rate == 0)
        return look;
    cost = USEC_PER_SEC / max_rate > 0 ? USEC_PER_SEC / max_rate : 1;
    look.burst = BURST_TIMES * max_rate -
                 (entry.full_at > now ? (entry.full_at - now + cost - 1) / cost : 0);
    look.burst = look.burst > 0 ? look.burst : 0;
    return look;
}

void client_table_note_vain(struct client_table *table, const struct addr *client, usec_t now) {
    lock_acquire(&table->lock);
    struct client_entry *entry = find_client(table, client);
    if (entry != NULL)
        entry->vain = now;
    lock_release(&table->lock);
}

bool client_table_was_vain(struct client_table *table, const struct addr *client, usec_t now) {
    lock_acquire(&table->lock);
    const struct client_entry *entry = find_client(table, client);
    bool was = entry != NULL && entry->vain != 0 && now - entry->vain < VAIN_QUIET;
    lock_release(&table->lock);
    return was;
}

void client_table_leave(struct client_table *table, struct client_seat *seat) {
    struct client_entry *old = NULL;

    if (seat == NULL)
        return;
    lock_acquire(&table->lock);
    struct client_entry *entry = seat->entry;
    LIST_REMOVE(seat, in_seats);
    table->n_seats--;
    CHECK(entry == NULL || entry->live > 0);
    if (entry != NULL && --entry->live == 0) {
        TAILQ_INSERT_TAIL(&table->idle, entry, in_idle);
        table->n_idle++;
        if (entry->full_at == 0) /* no rate to remember */
            old = entry;
        else if (table->n_idle > CLIENT_TABLE_IDLE_MAX)
            old = TAILQ_FIRST(&table->idle);
        if (old != NULL)
            forget_entry(table, old);
    }
    lock_release(&table->lock);
    free(old);
    free(seat);
}

/* Forgets the rates of IPv6 clients without connections; their entries become spares. */
static void forget_ipv6(struct client_table *table, struct spares *spares) REQUIRES(table->lock) {
    struct client_entry *entry = TAILQ_FIRST(&table->idle);

    while (entry != NULL) {
        struct client_entry *next = TAILQ_NEXT(entry, in_idle);

        if (key_is_ipv6(&entry->key)) {
            forget_entry(table, entry);
            LIST_INSERT_HEAD(spares, entry, in_spares);
        }
        entry = next;
    }
}

/* Counts a connection under its client of now. Entries left over become spares. */
static void change_seat(struct client_table *table, struct client_seat *seat, struct spares *spares)
    REQUIRES(table->lock) {
    struct key key = client_key(&seat->whole, table->prefix_v6);
    struct bucket *bucket = bucket_of(table, &key);
    struct client_entry *before = seat->entry, *entry = find_entry(bucket, &key);

    if (entry == NULL && (entry = LIST_FIRST(spares)) != NULL) {
        LIST_REMOVE(entry, in_spares);
        *entry = (struct client_entry){0};
        insert_entry(table, bucket, entry, &key);
    }
    if (entry != NULL)
        entry->full_at = 0;
    if (entry == before)
        return;
    if (entry != NULL)
        entry->live++;
    seat->entry = entry;
    if (before == NULL || --before->live > 0)
        return;
    LIST_REMOVE(before, in_bucket);
    table->n--;
    LIST_INSERT_HEAD(spares, before, in_spares);
}

/* An entry for each connection: each may be a client of its own. Or fewer, without memory. */
static void add_spares(struct client_table *table, struct spares *spares) {
    struct client_entry *spare;

    lock_acquire(&table->lock);
    size_t n = table->n_seats;
    lock_release(&table->lock);
    for (n += n / 8 + 64; n > 0 && (spare = calloc(1, sizeof(*spare))) != NULL; n--)
        LIST_INSERT_HEAD(spares, spare, in_spares);
}

void client_table_regroup(struct client_table *table, unsigned prefix_v6) {
    struct spares spares = LIST_HEAD_INITIALIZER(spares);
    struct client_entry *spare;
    struct client_seat *seat;

    lock_acquire(&table->lock);
    bool same = table->prefix_v6 == prefix_v6;
    lock_release(&table->lock);
    if (same)
        return;
    add_spares(table, &spares);
    lock_acquire(&table->lock);
    table->prefix_v6 = prefix_v6;
    forget_ipv6(table, &spares);
    LIST_FOREACH(seat, &table->seats, in_seats)
        if (key_is_ipv6(&seat->whole))
            change_seat(table, seat, &spares);
    lock_release(&table->lock);
    while ((spare = LIST_FIRST(&spares)) != NULL) {
        LIST_REMOVE(spare, in_spares);
        free(spare);
    }
}

size_t client_table_size(struct client_table *table) {
    lock_acquire(&table->lock);
    size_t n = table->n;
    lock_release(&table->lock);
    return n;
}
