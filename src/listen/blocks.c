#include "listen/blocks.h"

#include <string.h>

#include "base/embedded.h"
#include "base/hash.h"
#include "base/sync.h"

#define PLACES      (2 * STEERING_BLOCKS) /* of a table: open addressing */
#define MAPPED_BITS 96                    /* an IPv4 prefix has at least so many (base/prefix.h) */
#define ALL_BITS    128

struct place {
    _Atomic uint64_t high, low; /* the prefix */
    _Atomic uint32_t bits;
    _Atomic bool used;
    _Atomic usec_t until; /* 0: none */
};

struct block_table {
    struct place places[PLACES];
    _Atomic uint64_t lengths[3]; /* a bit for each length that a prefix has */
};

_Atomic size_t blocks_count;

static struct block_table tables[2];
static _Atomic uint64_t filled; /* how often; the last one is looked at */

static struct {
    struct lock lock;
    struct blocked_prefix *rows GUARDED; /* NULL: own */
    struct blocked_prefix own[STEERING_BLOCKS] GUARDED;
} blocks = {.lock = LOCK_INITIAL(RANK_LEAF)};

struct key {
    uint64_t high, low;
};

static struct key make_key(const uint8_t bytes[16], unsigned bits) {
    struct key key = {0};

    for (int i = 0; i < 8; i++) {
        key.high = key.high << 8 | bytes[i];
        key.low = key.low << 8 | bytes[8 + i];
    }
    if (bits <= 64)
        key.low = 0;
    else if (bits < ALL_BITS)
        key.low &= ~(UINT64_MAX >> (bits - 64));
    if (bits == 0)
        key.high = 0;
    else if (bits < 64)
        key.high &= ~(UINT64_MAX >> bits);
    return key;
}

static size_t block_place_of(struct key key, unsigned bits) {
    return hash_pair(hash_pair(key.high, key.low), bits) % PLACES;
}

static bool has_length(const struct block_table *table, unsigned bits) {
    return (atomic_load_explicit(&table->lengths[bits / 64], memory_order_acquire) >> bits % 64 &
            1) != 0;
}

static bool has_prefix(const struct block_table *table, struct key key, unsigned bits, usec_t now) {
    size_t at = block_place_of(key, bits);

    for (size_t i = 0; i < PLACES; i++, at = (at + 1) % PLACES) {
        const struct place *place = &table->places[at];

        if (!atomic_load_explicit(&place->used, memory_order_acquire))
            return false;
        if (atomic_load_explicit(&place->bits, memory_order_acquire) != bits ||
            atomic_load_explicit(&place->high, memory_order_acquire) != key.high ||
            atomic_load_explicit(&place->low, memory_order_acquire) != key.low)
            continue;
        usec_t until = atomic_load_explicit(&place->until, memory_order_acquire);
        return until == 0 || now < until;
    }
    return false;
}

static bool covers_bytes(const struct block_table *table, const uint8_t bytes[16], usec_t now) {
    unsigned least = addr_bytes_are_ipv4(bytes) ? MAPPED_BITS : 0;

    for (unsigned bits = ALL_BITS + 1; bits-- > least;)
        if (has_length(table, bits) && has_prefix(table, make_key(bytes, bits), bits, now))
            return true;
    return false;
}

/* no_wait: what is read of a table is read before the count is looked at again (acquire), and what
 * is written into one, after the count has left it behind (release). */
static bool covers_address(const struct addr *addr, usec_t now) {
    uint8_t bytes[16];
    uint64_t before;
    bool covered;

    if (!addr_ipv6_bytes(addr, bytes))
        return false;
    do {
        before = atomic_load_explicit(&filled, memory_order_acquire);
        covered = covers_bytes(&tables[before % 2], bytes, now);
    } while (atomic_load_explicit(&filled, memory_order_relaxed) != before);
    return covered;
}

bool blocks_cover(const struct addr *client) {
    struct addr within[EMBEDDED_MOST];
    usec_t now = clock_coarse();
    bool covered = covers_address(client, now);
    size_t n = covered ? 0 : embedded_find(client, within);

    for (size_t i = 0; i < n && !covered; i++)
        covered = covers_address(&within[i], now);
    return covered;
}

static struct blocked_prefix *rows_now(void) REQUIRES(blocks.lock) {
    return blocks.rows != NULL ? blocks.rows : blocks.own;
}

static void fill_place(struct block_table *table, const struct blocked_prefix *row) {
    struct key key = make_key(row->prefix.bytes, row->prefix.bits);
    size_t at = block_place_of(key, row->prefix.bits);

    while (atomic_load(&table->places[at].used))
        at = (at + 1) % PLACES;
    struct place *place = &table->places[at];
    atomic_store_explicit(&place->high, key.high, memory_order_release);
    atomic_store_explicit(&place->low, key.low, memory_order_release);
    atomic_store_explicit(&place->bits, row->prefix.bits, memory_order_release);
    atomic_store_explicit(&place->until, row->until, memory_order_release);
    atomic_store_explicit(&place->used, true, memory_order_release);
    atomic_fetch_or_explicit(&table->lengths[row->prefix.bits / 64],
                             (uint64_t)1 << row->prefix.bits % 64, memory_order_release);
}

static bool block_is_over(const struct blocked_prefix *row, usec_t now) {
    return row->until != 0 && row->until <= now;
}

/* All look at the other table from now on, filled with what is not over. A look at that one which
 * began long ago finds that it has been filled. */
static void fill_table(void) REQUIRES(blocks.lock) {
    uint64_t next = atomic_load(&filled) + 1;
    struct block_table *table = &tables[next % 2];
    struct blocked_prefix *rows = rows_now();
    usec_t now = clock_now();
    size_t n = 0;

    for (size_t i = 0; i < PLACES; i++)
        atomic_store_explicit(&table->places[i].used, false, memory_order_release);
    for (size_t i = 0; i < ARRAY_LEN(table->lengths); i++)
        atomic_store_explicit(&table->lengths[i], 0, memory_order_release);
    for (size_t i = 0; i < STEERING_BLOCKS; i++) {
        if (atomic_load(&rows[i].sum) == 0 || block_is_over(&rows[i], now))
            continue;
        fill_place(table, &rows[i]);
        n++;
    }
    atomic_store_explicit(&filled, next, memory_order_release);
    atomic_store(&blocks_count, n);
}

void blocks_use(struct blocked_prefix *rows) UNCHECKED {
    lock_acquire(&blocks.lock);
    blocks.rows = rows;
    memset(blocks.own, 0, sizeof(blocks.own));
    fill_table();
    lock_release(&blocks.lock);
}

/* Over or not. NULL: none. */
static struct blocked_prefix *find_block(const struct prefix *prefix) REQUIRES(blocks.lock) {
    struct blocked_prefix *rows = rows_now();

    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        if (atomic_load(&rows[i].sum) != 0 && prefix_equal(&rows[i].prefix, prefix))
            return &rows[i];
    return NULL;
}

static struct blocked_prefix *free_block(void) REQUIRES(blocks.lock) {
    struct blocked_prefix *rows = rows_now();

    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        if (atomic_load(&rows[i].sum) == 0)
            return &rows[i];
    return NULL;
}

/* NULL: none. */
static struct blocked_prefix *find_over(usec_t now) REQUIRES(blocks.lock) {
    struct blocked_prefix *rows = rows_now();

    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        if (atomic_load(&rows[i].sum) != 0 && block_is_over(&rows[i], now))
            return &rows[i];
    return NULL;
}

bool blocks_add(const struct prefix *prefix, usec_t until, uid_t by) {
    const struct blocked_prefix wanted = {
        .by_uid = by, .prefix = *prefix, .since = clock_now(), .until = until};

    lock_acquire(&blocks.lock);
    struct blocked_prefix *before = find_block(prefix), *row = free_block();
    bool done = before != NULL || row != NULL;
    if (done)
        steering_write_block(row != NULL ? row : before, &wanted);
    if (row != NULL && before != NULL) /* a process that is killed meanwhile leaves one */
        steering_write_block(before, NULL);
    fill_table();
    lock_release(&blocks.lock);
    return done;
}

bool blocks_remove(const struct prefix *prefix) {
    lock_acquire(&blocks.lock);
    struct blocked_prefix *row = find_block(prefix);
    bool blocked = row != NULL && !block_is_over(row, clock_now());
    if (blocked) {
        steering_write_block(row, NULL);
        fill_table();
    }
    lock_release(&blocks.lock);
    return blocked;
}

bool blocks_forget_over(struct blocked_prefix *ret) {
    lock_acquire(&blocks.lock);
    struct blocked_prefix *row = find_over(clock_now());
    if (row != NULL) {
        memcpy(ret, row, sizeof(*ret));
        steering_write_block(row, NULL);
        fill_table();
    }
    lock_release(&blocks.lock);
    return row != NULL;
}

size_t blocks_list(struct blocked_prefix ret_list[STEERING_BLOCKS]) {
    size_t n = 0;

    lock_acquire(&blocks.lock);
    const struct blocked_prefix *rows = rows_now();
    usec_t now = clock_now();
    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        if (atomic_load(&rows[i].sum) != 0 && !block_is_over(&rows[i], now))
            memcpy(&ret_list[n++], &rows[i], sizeof(*rows));
    lock_release(&blocks.lock);
    return n;
}
