/* What operators ordered of servers: no new connections, or another weight.
 *
 * An order is of a server by name, whatever its addresses; of one that is not in the file, it has
 * no effect until that has it. There is one list in the process, for all configurations, which
 * lies where orders_use says. Any thread; no leaf lock held, but where a choice looks. */
#ifndef UPSTREAM_ORDERS_H
#define UPSTREAM_ORDERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "record/steering.h"

/* Of one server, shared by all configurations. */
struct order {
    _Atomic uint32_t state; /* enum order_state */
    _Atomic int32_t weight; /* or ORDER_FILE */
    /* The list's: */
    unsigned refs;
    struct server_order *row; /* NULL: nothing is ordered */
    LIST_ENTRY(order) entry;
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX];
};

/* The list lies in these rows (STEERING_SERVERS) from now on, with the orders that they hold
 * (tidied: steering_tidy). NULL: in memory of its own, empty. Main, while nobody orders. */
void orders_use(struct server_order *rows);

/* Of this server, with a reference. NULL: no memory. */
struct order *orders_get(const char *upstream, const char *server) MUST_USE;
void orders_unref(struct order *order); /* NULL is fine */

extern _Atomic size_t orders_count; /* servers of which something is ordered */
extern _Atomic uint64_t orders_changed;

/* The weight in force: the file's, or what is ordered. Costs one load while nothing is. */
static inline uint64_t order_weight(const struct order *order, int64_t file) {
    if (atomic_load_explicit(&orders_count, memory_order_relaxed) == 0)
        return (uint64_t)file;
    if (atomic_load_explicit(&order->state, memory_order_relaxed) != ORDER_NONE)
        return 0;
    int32_t weight = atomic_load_explicit(&order->weight, memory_order_relaxed);
    return weight == ORDER_FILE ? (uint64_t)file : (uint64_t)weight;
}

/* Counts changes of weights in force. Seen after the change. */
static inline uint64_t orders_changes(void) {
    return atomic_load_explicit(&orders_changed, memory_order_acquire);
}

enum order_outcome {
    ORDER_DONE,
    ORDER_NO_ROOM, /* STEERING_SERVERS others are ordered */
    ORDER_NO_MEMORY,
};

/* Orders a state, and leaves the weight; or the other way round. */
enum order_outcome orders_set_state(const char *upstream, const char *server,
                                    enum order_state state, uid_t by) MUST_USE;
enum order_outcome orders_set_weight(const char *upstream, const char *server, int32_t weight,
                                     uid_t by) MUST_USE;

/* Lifts all that is ordered of this server, or (NULL) of all; returns of how many. */
size_t orders_reset(const char *upstream, const char *server);

/* False: nothing is ordered of it. */
bool orders_find(const char *upstream, const char *server, struct server_order *ret);

/* Copies all orders; returns how many. */
size_t orders_list(struct server_order ret_list[STEERING_SERVERS]);

/* "is drained", "is down for maintenance", "has weight 5". Returns buf. */
const char *order_describe(const struct server_order *order, char *buf, size_t size);

#endif
