/* What operators have ordered of the running relayd, and the file does not say: flat, of a fixed
 * size, without a pointer. With a keeper it lies in the table (handover/table.h), for the next
 * relayd; its moments are of this boot.
 *
 * sealed: a row counts if its sum is right. It is written without a sum, which comes last, so that
 * of a row that a process was killed at there is nothing rather than half. */
#ifndef RECORD_STEERING_H
#define RECORD_STEERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/prefix.h"
#include "config/config.h"

enum order_state {
    ORDER_NONE,  /* as the file says */
    ORDER_DRAIN, /* no new connections */
    ORDER_DOWN,  /* the same, for maintenance: on_down says what becomes of those there are */
    ORDER_STATES
};

#define ORDER_FILE       (-1) /* as a weight: the file's */
#define ORDER_WEIGHT_MAX 1000

struct server_order {
    _Atomic uint32_t sum; /* 0: no order */
    uint32_t by_uid;
    char upstream[CONFIG_NAME_MAX], server[CONFIG_NAME_MAX]; /* zeros after the name */
    uint32_t state;                                          /* enum order_state */
    int32_t weight;
    usec_t since;
};

/* Clients of this prefix are refused. */
struct blocked_prefix {
    _Atomic uint32_t sum; /* 0: none */
    uint32_t by_uid;
    struct prefix prefix;
    uint32_t unused; /* 0 */
    usec_t since;
    usec_t until; /* 0: until it is lifted */
};

/* GET /ready says no. */
struct lame_order {
    _Atomic uint32_t sum; /* 0: it does not */
    uint32_t by_uid;
    usec_t since;
};

#define STEERING_SERVERS 256
#define STEERING_BLOCKS  1024

struct steering {
    struct server_order servers[STEERING_SERVERS];
    struct blocked_prefix blocks[STEERING_BLOCKS];
    struct lame_order lame;
};

/* sealed: writes a row, or (NULL) empties it. One thread at a time. */
void steering_write_server(struct server_order *row, const struct server_order *order);

void steering_write_block(struct blocked_prefix *row, const struct blocked_prefix *block);
void steering_write_lame(struct lame_order *row, const struct lame_order *lame);

/* Whether a row holds an order: its sum is right, and it says what an order can say. */
bool steering_has_server(const struct server_order *row, usec_t now);
bool steering_has_block(const struct blocked_prefix *row, usec_t now); /* and it is not over */
bool steering_has_lame(const struct lame_order *row, usec_t now);

/* Empties rows that another process left and that hold no order; of two of the same server or
 * prefix the older. */
void steering_tidy(struct steering *steering, usec_t now);

#endif
