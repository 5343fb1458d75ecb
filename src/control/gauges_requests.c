/* Metrics of requests: of listeners in mode http, their routes, upstreams and servers. */
#include "control/gauges_inside.h"

#include <stdatomic.h>

#include "control/servers.h"

static const char *const classes[LIMIT_STATUS_CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

_Static_assert((int)LIMIT_STATUS_CLASSES == (int)MEMBER_STATUS_CLASSES, "one list for both");

static double load_count(const _Atomic uint64_t *counter) {
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void write_listener_requests(const struct metrics *metrics,
                                    const struct generation *generation) {
    static const char *const words[] = {[false] = "server", [true] = "relayd"};
    const struct metric *metric = &gauge_rows[GAUGE_listener_requests];

    metrics_begin(metrics, metric);
    for (size_t i = 0; i < generation->config->n_listeners; i++) {
        const struct listener_config *listener = &generation->config->listeners[i];

        for (size_t k = 0; listener->mode == MODE_HTTP && k < 2 * (size_t)LIMIT_STATUS_CLASSES; k++)
            metrics_sample(metrics, metric,
                           LABELS({"listener", listener->name}, {"code", classes[k / 2]},
                                  {"by", words[k % 2]}),
                           load_count(&generation->limits[i]->answered[k % 2][k / 2]));
    }
}

static void write_times(const struct metrics *metrics, const struct generation *generation,
                        enum gauge gauge) {
    metrics_begin(metrics, &gauge_rows[gauge]);
    for (size_t i = 0; i < generation->config->n_listeners; i++) {
        const struct listener_config *listener = &generation->config->listeners[i];
        const struct limit *limit = generation->limits[i];

        if (listener->mode == MODE_HTTP)
            metrics_histogram(metrics, &gauge_rows[gauge], LABELS({"listener", listener->name}),
                              gauge == GAUGE_listener_request_seconds ? &limit->requests
                                                                      : &limit->first_bytes);
    }
}

static void write_routes(const struct metrics *metrics, const struct generation *generation) {
    const struct metric *metric = &gauge_rows[GAUGE_route_requests];

    metrics_begin(metrics, metric);
    for (size_t i = 0; i < generation->n_branches; i++) {
        const struct route *branch = &generation->branches[i];

        for (size_t k = 0; branch->count != NULL && k < LIMIT_STATUS_CLASSES; k++)
            metrics_sample(metrics, metric,
                           LABELS({"listener", branch->config->name},
                                  {"route", branch->section->pattern}, {"code", classes[k]}),
                           load_count(&branch->count->answered[k]));
    }
}

void gauges_write_requests(const struct metrics *metrics, const struct generation *generation) {
    write_listener_requests(metrics, generation);
    write_times(metrics, generation, GAUGE_listener_request_seconds);
    write_times(metrics, generation, GAUGE_listener_first_byte_seconds);
    write_routes(metrics, generation);
}

static bool reads_requests(const struct generation *generation) {
    for (size_t i = 0; i < generation->config->n_listeners; i++)
        if (generation->config->listeners[i].mode == MODE_HTTP)
            return true;
    return false;
}

void gauges_write_answers(const struct metrics *metrics, const struct generation *generation) {
    const struct metric *metric = &gauge_rows[GAUGE_upstream_first_byte_seconds];
    const struct upstreams *upstreams = generation->upstreams;

    metrics_begin(metrics, metric);
    for (size_t i = 0; i < upstreams->n && reads_requests(generation); i++)
        metrics_histogram(metrics, metric, LABELS({"upstream", upstreams->list[i].config->name}),
                          &upstreams->list[i].bulletin->first_bytes);
}

static void write_server_requests(void *arg, const struct upstream *upstream,
                                  const struct listed_member *listed) {
    const struct metric *metric = &gauge_rows[GAUGE_server_requests];
    const struct metrics *metrics = arg;
    char address[ADDR_TEXT_MAX];

    servers_address(listed, address);
    for (size_t i = 0; listed->member != NULL && i < LIMIT_STATUS_CLASSES; i++)
        metrics_sample(metrics, metric,
                       LABELS({"upstream", upstream->config->name},
                              {"server", listed->server->name}, {"address", address},
                              {"code", classes[i]}),
                       load_count(&listed->member->answered[i]));
}

bool gauges_write_answered(const struct metrics *metrics, const struct generation *generation) {
    struct metrics to = *metrics;

    metrics_begin(metrics, &gauge_rows[GAUGE_server_requests]);
    return !reads_requests(generation) || servers_visit(generation, write_server_requests, &to);
}
