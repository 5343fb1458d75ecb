#include "upstream/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"

#define BUCKETS 1024

_Atomic size_t orders_count;
_Atomic uint64_t orders_changed;

LIST_HEAD(order_bucket, order);

static struct {
    struct lock lock;
    struct server_order *rows GUARDED; /* NULL: own */
    struct server_order own[STEERING_SERVERS] GUARDED;
    struct order_bucket buckets[BUCKETS] GUARDED;
} orders = {.lock = LOCK_INITIAL(RANK_LEAF)};

static struct order_bucket *order_bucket_of(const char *upstream, const char *server)
    REQUIRES(orders.lock) {
    uint64_t hash =
        hash_pair(hash_bytes(upstream, strlen(upstream)), hash_bytes(server, strlen(server)));

    return &orders.buckets[hash % BUCKETS];
}

static struct order *find_order(const char *upstream, const char *server) REQUIRES(orders.lock) {
    struct order *order;

    LIST_FOREACH(order, order_bucket_of(upstream, server), entry)
        if (strcmp(order->server, server) == 0 && strcmp(order->upstream, upstream) == 0)
            return order;
    return NULL;
}

static struct order *make_order(const char *upstream, const char *server) {
    struct order *order = calloc(1, sizeof(*order));

    if (order == NULL)
        return NULL;
    atomic_init(&order->weight, ORDER_FILE);
    snprintf(order->upstream, sizeof(order->upstream), "%s", upstream);
    snprintf(order->server, sizeof(order->server), "%s", server);
    return order;
}

/* Finds it, or lists the fresh one, which it blanks. Adds a reference. */
static struct order *use_order(const char *upstream, const char *server, struct order **fresh)
    REQUIRES(orders.lock) {
    struct order *order = find_order(upstream, server);

    if (order == NULL) {
        order = *fresh;
        *fresh = NULL;
        LIST_INSERT_HEAD(order_bucket_of(upstream, server), order, entry);
    }
    order->refs++;
    return order;
}

/* Drops a reference. Returns what nobody needs any more, for the caller to free; or NULL. */
static struct order *leave_order(struct order *order) REQUIRES(orders.lock) {
    if (--order->refs > 0 || order->row != NULL)
        return NULL;
    LIST_REMOVE(order, entry);
    return order;
}

struct order *orders_get(const char *upstream, const char *server) UNCHECKED {
    struct order *fresh = make_order(upstream, server);

    if (fresh == NULL)
        return NULL;
    lock_acquire(&orders.lock);
    struct order *order = use_order(upstream, server, &fresh);
    lock_release(&orders.lock);
    free(fresh);
    return order;
}

void orders_unref(struct order *order) UNCHECKED {
    if (order == NULL)
        return;
    lock_acquire(&orders.lock);
    struct order *unneeded = leave_order(order);
    lock_release(&orders.lock);
    free(unneeded);
}

/* What a choice sees. */
static void put_order_in_force(struct order *order) REQUIRES(orders.lock) {
    const struct server_order *row = order->row;

    atomic_store(&order->state, row != NULL ? row->state : ORDER_NONE);
    atomic_store(&order->weight, row != NULL ? row->weight : ORDER_FILE);
    atomic_fetch_add(&orders_changed, 1);
}

static struct server_order *list_now(void) REQUIRES(orders.lock) {
    return orders.rows != NULL ? orders.rows : orders.own;
}

static struct server_order *free_row(void) REQUIRES(orders.lock) {
    struct server_order *rows = list_now();

    for (size_t i = 0; i < STEERING_SERVERS; i++)
        if (atomic_load(&rows[i].sum) == 0)
            return &rows[i];
    return NULL;
}

static void lift_order(struct order *order) REQUIRES(orders.lock) {
    if (order->row == NULL)
        return;
    steering_write_server(order->row, NULL);
    order->row = NULL;
    put_order_in_force(order);
    atomic_fetch_sub(&orders_count, 1);
}

/* The new row is there before the old one goes: a process that is killed meanwhile leaves one. */
static bool write_order(struct order *order, const struct server_order *wanted)
    REQUIRES(orders.lock) {
    struct server_order *row = free_row(), *before = order->row;

    if (row == NULL && before == NULL)
        return false;
    steering_write_server(row != NULL ? row : before, wanted);
    if (row != NULL && before != NULL)
        steering_write_server(before, NULL);
    order->row = row != NULL ? row : before;
    if (before == NULL)
        atomic_fetch_add(&orders_count,
                         1); /* first: who sees the change looks at it (order_weight) */
    put_order_in_force(order);
    return true;
}

/* state or weight: NULL leaves it. */
static enum order_outcome change_order(const char *upstream, const char *server,
                                       const enum order_state *state, const int32_t *weight,
                                       uid_t by) UNCHECKED {
    struct server_order wanted = {.by_uid = by, .weight = ORDER_FILE, .since = clock_now()};
    struct order *fresh = make_order(upstream, server), *unneeded;
    bool done = true;

    if (fresh == NULL)
        return ORDER_NO_MEMORY;
    snprintf(wanted.upstream, sizeof(wanted.upstream), "%s", upstream);
    snprintf(wanted.server, sizeof(wanted.server), "%s", server);
    lock_acquire(&orders.lock);
    struct order *order = use_order(upstream, server, &fresh);
    if (order->row != NULL) {
        wanted.state = order->row->state;
        wanted.weight = order->row->weight;
    }
    wanted.state = state != NULL ? *state : wanted.state;
    wanted.weight = weight != NULL ? *weight : wanted.weight;
    if (wanted.state == ORDER_NONE && wanted.weight == ORDER_FILE)
        lift_order(order);
    else
        done = write_order(order, &wanted);
    unneeded = leave_order(order);
    lock_release(&orders.lock);
    free(unneeded);
    free(fresh);
    return done ? ORDER_DONE : ORDER_NO_ROOM;
}

enum order_outcome orders_set_state(const char *upstream, const char *server,
                                    enum order_state state, uid_t by) {
    return change_order(upstream, server, &state, NULL, by);
}

enum order_outcome orders_set_weight(const char *upstream, const char *server, int32_t weight,
                                     uid_t by) {
    return change_order(upstream, server, NULL, &weight, by);
}

bool orders_find(const char *upstream, const char *server, struct server_order *ret) {
    lock_acquire(&orders.lock);
    const struct order *order = find_order(upstream, server);
    bool found = order != NULL && order->row != NULL;
    if (found)
        memcpy(ret, order->row, sizeof(*ret));
    lock_release(&orders.lock);
    return found;
}

size_t orders_list(struct server_order ret_list[STEERING_SERVERS]) {
    size_t n = 0;

    lock_acquire(&orders.lock);
    const struct server_order *rows = list_now();
    for (size_t i = 0; i < STEERING_SERVERS; i++)
        if (atomic_load(&rows[i].sum) != 0)
            memcpy(&ret_list[n++], &rows[i], sizeof(*rows));
    lock_release(&orders.lock);
    return n;
}

static size_t reset_order(const char *upstream, const char *server) UNCHECKED {
    struct order *unneeded = NULL;
    size_t n = 0;

    lock_acquire(&orders.lock);
    struct order *order = find_order(upstream, server);
    if (order != NULL && order->row != NULL) {
        n = 1;
        order->refs++;
        lift_order(order);
        unneeded = leave_order(order);
    }
    lock_release(&orders.lock);
    free(unneeded);
    return n;
}

size_t orders_reset(const char *upstream, const char *server) {
    struct server_order list[STEERING_SERVERS];
    size_t n = 0, done = 0;

    if (upstream != NULL)
        return reset_order(upstream, server);
    n = orders_list(list);
    for (size_t i = 0; i < n; i++)
        done += reset_order(list[i].upstream, list[i].server);
    return done;
}

/* The one that a row is of, which is made if need be. */
static void adopt_row(struct server_order *row) UNCHECKED {
    struct order *order = orders_get(row->upstream, row->server), *unneeded;

    if (order == NULL)
        return; /* no memory: it is left out until the next relayd */
    lock_acquire(&orders.lock);
    order->row = row;
    atomic_fetch_add(&orders_count, 1);
    put_order_in_force(order);
    unneeded = leave_order(order);
    lock_release(&orders.lock);
    free(unneeded);
}

/* Of the list that is left. Returns one that nobody needs, for the caller to free; NULL: none is
 * left. */
static struct order *forget_order(void) REQUIRES(orders.lock) {
    struct order *order;

    for (size_t i = 0; i < BUCKETS; i++)
        LIST_FOREACH(order, &orders.buckets[i], entry) {
            if (order->row == NULL)
                continue;
            order->refs++;
            order->row = NULL;
            put_order_in_force(order);
            struct order *unneeded = leave_order(order);
            if (unneeded != NULL)
                return unneeded;
        }
    return NULL;
}

void orders_use(struct server_order *rows) UNCHECKED {
    struct order *unneeded;

    lock_acquire(&orders.lock);
    while ((unneeded = forget_order()) != NULL) {
        lock_release(&orders.lock);
        free(unneeded);
        lock_acquire(&orders.lock);
    }
    orders.rows = rows;
    memset(orders.own, 0, sizeof(orders.own));
    atomic_store(&orders_count, 0);
    lock_release(&orders.lock);
    for (size_t i = 0; rows != NULL && i < STEERING_SERVERS; i++)
        if (atomic_load(&rows[i].sum) != 0)
            adopt_row(&rows[i]);
}

const char *order_describe(const struct server_order *order, char *buf, size_t size) {
    buf[0] = '\0';
    if (order->state == ORDER_DRAIN)
        text_append(buf, size, "is drained");
    else if (order->state == ORDER_DOWN)
        text_append(buf, size, "is down for maintenance");
    if (order->weight != ORDER_FILE)
        text_append(buf, size, "%shas weight %d", buf[0] != '\0' ? " and " : "", order->weight);
    return buf;
}
