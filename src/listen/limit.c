#include "listen/limit.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

struct limit *limit_new(void) {
    struct limit *limit = calloc(1, sizeof(*limit));

    if (limit == NULL)
        return NULL;
    limit->clients = client_table_new();
    if (limit->clients == NULL) {
        free(limit);
        return NULL;
    }
    atomic_init(&limit->refs, 1);
    gate_init(&limit->gate, SIZE_MAX, NULL, NULL);
    lane_init(&limit->lane);
    return limit;
}

struct limit *limit_ref(struct limit *limit) {
    atomic_fetch_add_explicit(&limit->refs, 1, memory_order_relaxed);
    return limit;
}

void limit_unref(struct limit *limit) {
    if (limit == NULL || atomic_fetch_sub_explicit(&limit->refs, 1, memory_order_acq_rel) > 1)
        return;
    client_table_free(limit->clients);
    gate_destroy(&limit->gate);
    config_unref(limit->config);
    free(limit);
}

void limit_set(struct limit *limit, struct config *config, const struct listener_config *listener) {
    struct config *former = limit->config;

    limit->config = config_ref(config);
    limit->listener = listener;
    config_unref(former);
    gate_set_max(&limit->gate,
                 listener->max_connections > 0 ? (size_t)listener->max_connections : SIZE_MAX);
    client_table_regroup(limit->clients, (unsigned)listener->client_prefix_v6);
}

bool seat_enter(struct seat *seat, struct limit *limit) {
    if (!gate_try_enter(&limit->gate))
        return false;
    *seat = (struct seat){.limit = limit_ref(limit)};
    return true;
}

enum client_outcome seat_count_client(struct seat *seat, const struct listener_config *config,
                                      const struct addr *client) {
    return client_table_enter(seat->limit->clients, client, config->max_connections_per_client,
                              config->max_rate_per_client, clock_coarse(), &seat->client);
}

bool seat_await_client(struct seat *seat, const struct addr *client, struct leaver_wait *wait) {
    struct limit *limit = seat->limit;
    usec_t now = clock_now();

    if (wait->until == 0 && client_table_was_vain(limit->clients, client, now))
        return false;
    if (gate_await_leaver(&limit->gate, wait))
        return true;
    client_table_note_vain(limit->clients, client, now);
    return false;
}

void seat_adopt(struct seat *seat, struct limit *limit, const struct addr *client) {
    gate_force_enter(&limit->gate);
    *seat = (struct seat){.limit = limit_ref(limit)};
    (void)client_table_enter(limit->clients, client, 0, 0, clock_coarse(), &seat->client);
}

void seat_leave(struct seat *seat) {
    struct limit *limit = seat->limit;

    if (limit == NULL)
        return;
    if (seat->client != NULL)
        client_table_leave(limit->clients, seat->client);
    gate_leave(&limit->gate);
    *seat = (struct seat){0};
    limit_unref(limit);
}
