#include "control/gauges.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "conn/sweep.h"
#include "control/gauges_inside.h"
#include "control/near.h"
#include "control/servers.h"
#include "listen/blocks.h"
#include "record/spans.h"
#include "tls/client.h"
#include "tls/server.h"
#include "upstream/orders.h"
#include "version.h"

const struct metric gauge_rows[GAUGE_COUNT] = {
#define METRIC(name, type, labels, help) {"relayd_" #name, type, help},
#include "control/gauges.def"
#undef METRIC
};

struct gauge_value {
    enum gauge gauge;
    double value;
};

static void write_values(const struct metrics *metrics, const struct gauge_value *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        metrics_begin(metrics, &gauge_rows[list[i].gauge]);
        metrics_sample(metrics, &gauge_rows[list[i].gauge], NO_LABELS, list[i].value);
    }
}

static void write_info(const struct metrics *metrics, enum gauge gauge, const char *label,
                       const char *value) {
    metrics_begin(metrics, &gauge_rows[gauge]);
    metrics_sample(metrics, &gauge_rows[gauge], LABELS({label, value}), 1);
}

/* No limit: 0. */
static double size_of(size_t most) {
    return most != SIZE_MAX ? (double)most : 0;
}

static void write_keeper(const struct metrics *metrics, const struct question *question,
                         const struct sweep_sum *sum) {
    const struct link *link = relay_link(question->relay);

    const struct gauge_value values[] = {
        {GAUGE_keeper_up, link != NULL && link_is_up(link)},
        {GAUGE_held_connections, (double)(sum->n - sum->unheld)},
        {GAUGE_unheld_connections, (double)sum->unheld},
        {GAUGE_max_held_connections, size_of(fill_slots(question).most)},
    };
    write_values(metrics, values, ARRAY_LEN(values));
}

static void write_process(const struct metrics *metrics, const struct question *question) {
    struct fill openings = fill_openings(question), queue = fill_queue(question),
                descriptors = fill_descriptors();
    struct gate *gate = &question->relay->road.gate;
    struct reload_result reload = relay_last_reload(question->relay);
    char fingerprint[16];

    snprintf(fingerprint, sizeof(fingerprint), "%08x", question->generation->config->fingerprint);
    write_info(metrics, GAUGE_build_info, "version", RELAYD_VERSION);
    write_info(metrics, GAUGE_config_info, "fingerprint", fingerprint);
    const struct gauge_value values[] = {
        {GAUGE_start_time_seconds, (double)question->since},
        {GAUGE_reload_success, reload.good},
        {GAUGE_reload_success_time_seconds, (double)reload.succeeded},
        {GAUGE_connections, (double)gate_live(gate)},
        {GAUGE_max_connections, size_of(gate_max(gate))},
        {GAUGE_openings, (double)openings.taken},
        {GAUGE_max_openings, (double)openings.most},
        {GAUGE_queued_connections, (double)queue.taken},
        {GAUGE_queue_size, (double)queue.most},
        {GAUGE_open_descriptors, (double)descriptors.taken},
        {GAUGE_max_descriptors, size_of(descriptors.most)},
    };
    write_values(metrics, values, ARRAY_LEN(values));
}

static void write_orders(const struct metrics *metrics) {
    const struct gauge_value values[] = {
        {GAUGE_blocked_prefixes, (double)atomic_load(&blocks_count)},
        {GAUGE_ordered_servers, (double)atomic_load(&orders_count)},
    };
    write_values(metrics, values, ARRAY_LEN(values));
}

static void write_ends(const struct metrics *metrics) {
    static const enum gauge histograms[] = {
        [SPAN_QUEUE] = GAUGE_queue_seconds,
        [SPAN_DIAL] = GAUGE_dial_seconds,
        [SPAN_FIRST_BYTE] = GAUGE_first_byte_seconds,
        [SPAN_DURATION] = GAUGE_duration_seconds,
    };

    metrics_begin(metrics, &gauge_rows[GAUGE_ended]);
    for (size_t i = END_NONE + 1; i < END_COUNT; i++)
        metrics_sample(metrics, &gauge_rows[GAUGE_ended], LABELS({"code", end_infos[i].code}),
                       (double)end_total((enum end)i));
    for (size_t i = 0; i < SPAN_COUNT; i++) {
        metrics_begin(metrics, &gauge_rows[histograms[i]]);
        metrics_histogram(metrics, &gauge_rows[histograms[i]], NO_LABELS, spans_get((enum span)i));
    }
}

static void write_listeners(const struct metrics *metrics, const struct generation *generation,
                            enum gauge gauge) {
    const struct config *config = generation->config;

    metrics_begin(metrics, &gauge_rows[gauge]);
    for (size_t i = 0; i < config->n_listeners; i++)
        metrics_sample(metrics, &gauge_rows[gauge], LABELS({"listener", config->listeners[i].name}),
                       gauge == GAUGE_listener_connections
                           ? (double)gate_live(&generation->limits[i]->gate)
                           : (double)config->listeners[i].max_connections);
}

/* Of listeners that end TLS. */
static void write_handshakes(const struct metrics *metrics, const struct generation *generation) {
    static const char *const words[] = {[false] = "no", [true] = "yes"};
    const struct config *config = generation->config;

    metrics_begin(metrics, &gauge_rows[GAUGE_listener_tls_handshakes]);
    for (size_t i = 0; i < config->n_listeners; i++)
        for (size_t resumed = 0; config->listeners[i].tls.given && resumed < 2; resumed++)
            metrics_sample(
                metrics, &gauge_rows[GAUGE_listener_tls_handshakes],
                LABELS({"listener", config->listeners[i].name}, {"resumed", words[resumed]}),
                (double)atomic_load_explicit(&generation->limits[i]->shaken[resumed],
                                             memory_order_relaxed));
}

static double get_upstream_value(const struct question *question, size_t i, enum gauge gauge) {
    const struct generation *generation = question->generation;
    size_t all, up;

    if (gauge == GAUGE_upstream_queued_connections)
        return (double)queue_count_line(&question->relay->road.queue, generation->lines[i]);
    upstream_count(&generation->upstreams->list[i], &all, &up);
    return (double)(gauge == GAUGE_upstream_servers ? all : up);
}

static void write_upstreams(const struct metrics *metrics, const struct question *question) {
    static const enum gauge gauges[] = {GAUGE_upstream_servers, GAUGE_upstream_servers_up,
                                        GAUGE_upstream_queued_connections};
    const struct upstreams *upstreams = question->generation->upstreams;
    const struct metric *dials = &gauge_rows[GAUGE_upstream_dial_seconds];

    for (size_t k = 0; k < ARRAY_LEN(gauges); k++) {
        metrics_begin(metrics, &gauge_rows[gauges[k]]);
        for (size_t i = 0; i < upstreams->n; i++)
            metrics_sample(metrics, &gauge_rows[gauges[k]],
                           LABELS({"upstream", upstreams->list[i].config->name}),
                           get_upstream_value(question, i, gauges[k]));
    }
    metrics_begin(metrics, dials);
    for (size_t i = 0; i < upstreams->n; i++)
        metrics_histogram(metrics, dials, LABELS({"upstream", upstreams->list[i].config->name}),
                          &upstreams->list[i].bulletin->dials);
    gauges_write_answers(metrics, question->generation);
}

/* Servers: nothing is asked of one without an address. */

static double count_live(const struct listed_member *listed) {
    return (double)atomic_load(&listed->member->live);
}

static double is_server_up(const struct listed_member *listed) {
    return member_is_used(listed->member, clock_now());
}

static double get_weight(const struct listed_member *listed) {
    return (double)listed->weight;
}

static double count_connects(const struct listed_member *listed) {
    return (double)atomic_load(&listed->member->n_dialled);
}

static double count_connect_failures(const struct listed_member *listed) {
    return (double)atomic_load(&listed->member->n_refused);
}

static double get_state_time(const struct listed_member *listed) {
    return (double)servers_since(listed->member, 0, clock_now());
}

struct server_gauge {
    enum gauge gauge;
    double (*value)(const struct listed_member *listed);
    const struct metrics *metrics;
};

static void write_server(void *arg, const struct upstream *upstream,
                         const struct listed_member *listed) {
    const struct server_gauge *gauge = arg;
    char address[ADDR_TEXT_MAX];

    servers_address(listed, address);
    metrics_sample(
        gauge->metrics, &gauge_rows[gauge->gauge],
        LABELS({"upstream", upstream->config->name}, {"server", listed->server->name},
               {"address", address}),
        listed->member != NULL || gauge->gauge == GAUGE_server_weight ? gauge->value(listed) : 0);
}

static bool write_servers(const struct metrics *metrics, const struct generation *generation) {
    struct server_gauge gauges[] = {
        {GAUGE_server_connections, count_live, metrics},
        {GAUGE_server_up, is_server_up, metrics},
        {GAUGE_server_weight, get_weight, metrics},
        {GAUGE_server_connects, count_connects, metrics},
        {GAUGE_server_connect_failures, count_connect_failures, metrics},
        {GAUGE_server_state_time_seconds, get_state_time, metrics},
    };

    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metrics_begin(metrics, &gauge_rows[gauges[i].gauge]);
        if (!servers_visit(generation, write_server, &gauges[i]))
            return false;
    }
    return gauges_write_answered(metrics, generation);
}

struct certificate_gauge {
    const struct metrics *metrics;
    const char *section, *name; /* "listener", "web" */
};

static void write_certificate(void *arg, const struct tls_facts *facts) {
    const struct certificate_gauge *gauge = arg;
    const char *name = facts->n_names > 0 ? facts->names[0] : facts->subject;

    metrics_sample(gauge->metrics, &gauge_rows[GAUGE_certificate_not_after_seconds],
                   LABELS({gauge->section, gauge->name}, {"name", name}, {"serial", facts->serial}),
                   (double)facts->not_after);
}

static void write_certificates(const struct metrics *metrics, const struct config *config) {
    metrics_begin(metrics, &gauge_rows[GAUGE_certificate_not_after_seconds]);
    for (size_t i = 0; i < config->n_listeners; i++) {
        struct certificate_gauge gauge = {metrics, "listener", config->listeners[i].name};

        if (config->listeners[i].tls.server != NULL)
            tls_server_visit(config->listeners[i].tls.server, write_certificate, &gauge);
    }
    for (size_t i = 0; i < config->n_upstreams; i++) {
        struct certificate_gauge gauge = {metrics, "upstream", config->upstreams[i].name};

        if (config->upstreams[i].tls.client != NULL)
            tls_client_visit(config->upstreams[i].tls.client, write_certificate, &gauge);
    }
}

struct reply gauges_reply(const struct question *question) {
    struct metrics metrics = {.open = metrics_wants_open(question->accept)};
    struct reply reply = {.status = 200, .type = metrics_type(metrics.open)};
    const struct generation *generation = question->generation;
    struct sweep_sum sum;
    size_t n = 0;

    metrics.out = open_memstream(&reply.body, &n);
    if (metrics.out == NULL)
        return reply;
    samples_take(question->samples, question->relay, &sum);
    write_process(&metrics, question);
    write_keeper(&metrics, question, &sum);
    write_orders(&metrics);
    metrics_counters(&metrics, question->samples->moved);
    write_ends(&metrics);
    write_listeners(&metrics, generation, GAUGE_listener_connections);
    write_listeners(&metrics, generation, GAUGE_listener_max_connections);
    write_handshakes(&metrics, generation);
    gauges_write_requests(&metrics, generation);
    write_upstreams(&metrics, question);
    write_certificates(&metrics, generation->config);
    bool written = write_servers(&metrics, generation);
    metrics_end(&metrics);
    reply_close(&reply, metrics.out, written);
    return reply;
}
