#include "record/steering.h"

#include <stdatomic.h>
#include <string.h>

#include "base/crc32c.h"

/* Of all that follows the sum. Never 0. */
static uint32_t sum_row(const void *row, size_t size) {
    uint32_t sum = crc32c(0, (const char *)row + sizeof(uint32_t), size - sizeof(uint32_t));

    return sum != 0 ? sum : 1;
}

/* Both begin with a sum. */
static void write_row(void *row, _Atomic uint32_t *sum, const void *from, size_t size) {
    atomic_store(sum, 0);
    atomic_signal_fence(memory_order_seq_cst);
    memcpy((char *)row + sizeof(uint32_t), (const char *)from + sizeof(uint32_t),
           size - sizeof(uint32_t));
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store(sum, sum_row(row, size));
}

void steering_write_server(struct server_order *row, const struct server_order *order) {
    if (order == NULL)
        atomic_store(&row->sum, 0);
    else
        write_row(row, &row->sum, order, sizeof(*row));
}

void steering_write_block(struct blocked_prefix *row, const struct blocked_prefix *block) {
    if (block == NULL)
        atomic_store(&row->sum, 0);
    else
        write_row(row, &row->sum, block, sizeof(*row));
}

void steering_write_lame(struct lame_order *row, const struct lame_order *lame) {
    if (lame == NULL)
        atomic_store(&row->sum, 0);
    else
        write_row(row, &row->sum, lame, sizeof(*row));
}

/* With zeros to its end. */
static bool is_row_name(const char name[CONFIG_NAME_MAX]) {
    size_t n = strnlen(name, CONFIG_NAME_MAX);

    for (size_t i = n; i < CONFIG_NAME_MAX; i++)
        if (name[i] != '\0')
            return false;
    return n > 0 && n < CONFIG_NAME_MAX;
}

bool steering_has_server(const struct server_order *row, usec_t now) {
    uint32_t sum = atomic_load(&row->sum);

    return sum != 0 && sum == sum_row(row, sizeof(*row)) && is_row_name(row->upstream) &&
           is_row_name(row->server) && row->state < ORDER_STATES && row->weight >= ORDER_FILE &&
           row->weight <= ORDER_WEIGHT_MAX &&
           (row->state != ORDER_NONE || row->weight != ORDER_FILE) && row->since >= 0 &&
           row->since <= now;
}

/* Over or not. */
static bool is_block(const struct blocked_prefix *row, usec_t now) {
    uint32_t sum = atomic_load(&row->sum);

    return sum != 0 && sum == sum_row(row, sizeof(*row)) && row->unused == 0 &&
           prefix_is_sound(&row->prefix) && row->since >= 0 && row->since <= now;
}

bool steering_has_block(const struct blocked_prefix *row, usec_t now) {
    return is_block(row, now) && (row->until == 0 || row->until > now);
}

bool steering_has_lame(const struct lame_order *row, usec_t now) {
    uint32_t sum = atomic_load(&row->sum);

    return sum != 0 && sum == sum_row(row, sizeof(*row)) && row->since >= 0 && row->since <= now;
}

/* Of two of a prefix the newer counts, also if its time is over. */
static void tidy_blocks(struct blocked_prefix *rows, usec_t now) {
    for (size_t i = 0; i < STEERING_BLOCKS; i++) {
        if (!is_block(&rows[i], now))
            steering_write_block(&rows[i], NULL);
        for (size_t k = 0; k < i && atomic_load(&rows[i].sum) != 0; k++)
            if (atomic_load(&rows[k].sum) != 0 && prefix_equal(&rows[i].prefix, &rows[k].prefix))
                steering_write_block(rows[i].since < rows[k].since ? &rows[i] : &rows[k], NULL);
    }
    for (size_t i = 0; i < STEERING_BLOCKS; i++)
        if (!steering_has_block(&rows[i], now))
            steering_write_block(&rows[i], NULL);
}

static bool is_same_server(const struct server_order *a, const struct server_order *b) {
    return strcmp(a->server, b->server) == 0 && strcmp(a->upstream, b->upstream) == 0;
}

void steering_tidy(struct steering *steering, usec_t now) {
    struct server_order *rows = steering->servers;

    for (size_t i = 0; i < STEERING_SERVERS; i++) {
        if (!steering_has_server(&rows[i], now))
            steering_write_server(&rows[i], NULL);
        for (size_t k = 0; k < i && atomic_load(&rows[i].sum) != 0; k++)
            if (atomic_load(&rows[k].sum) != 0 && is_same_server(&rows[i], &rows[k]))
                steering_write_server(rows[i].since < rows[k].since ? &rows[i] : &rows[k], NULL);
    }
    tidy_blocks(steering->blocks, now);
    if (!steering_has_lame(&steering->lame, now))
        steering_write_lame(&steering->lame, NULL);
}
