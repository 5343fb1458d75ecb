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

double limit_count_refused(const struct limit *limit, usec_t now, enum end *ret_most) {
    double all = 0, most = 0;

    *ret_most = END_NONE;
    for (size_t i = END_NONE + 1; i < END_COUNT; i++) {
        double count = meter_count(&limit->refused[i], LIMIT_REFUSED_PERIOD, now);

        all += count;
        if (count > most) {
            most = count;
            *ret_most = (enum end)i;
        }
    }
    return all;
}
