#include "control/gauges.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "control/metrics.h"
#include "control/servers.h"
#include "version.h"

#define NO_LABELS ((const struct metric_label[METRIC_LABELS]){{0}})

static void write_gauge(FILE *out, const char *name, const char *help, double value) {
    metrics_begin(out, name, "gauge", help);
    metrics_sample(out, name, NO_LABELS, value);
}

static void write_process(FILE *out, const struct question *question) {
    char fingerprint[16];

    snprintf(fingerprint, sizeof(fingerprint), "%08x", question->fingerprint);
    metrics_begin(out, "relayd_build_info", "gauge", "The version of relayd.");
    metrics_sample(out, "relayd_build_info",
                   (const struct metric_label[METRIC_LABELS]){{"version", RELAYD_VERSION}}, 1);
    metrics_begin(out, "relayd_config_info", "gauge",
                  "The fingerprint of the configuration in force.");
    metrics_sample(out, "relayd_config_info",
                   (const struct metric_label[METRIC_LABELS]){{"fingerprint", fingerprint}}, 1);
    write_gauge(out, "relayd_start_time_seconds", "When relayd started, in seconds since 1970.",
                (double)question->since);
    write_gauge(out, "relayd_connections", "Connections, from accept to close.",
                (double)gate_live(&question->relay->road.gate));
    write_gauge(out, "relayd_max_connections", "How many there may be at once.",
                (double)gate_max(&question->relay->road.gate));
}

static void write_listeners(FILE *out, const struct generation *generation) {
    const char *name = "relayd_listener_connections";

    metrics_begin(out, name, "gauge", "Connections of a listener.");
    for (size_t i = 0; i < generation->config->n_listeners; i++)
        metrics_sample(out, name,
                       (const struct metric_label[METRIC_LABELS]){
                           {"listener", generation->config->listeners[i].name}},
                       (double)gate_live(&generation->limits[i]->gate));
}

static void write_upstreams(FILE *out, const struct generation *generation, const char *name,
                            const char *help, bool only_up) {
    metrics_begin(out, name, "gauge", help);
    for (size_t i = 0; i < generation->upstreams->n; i++) {
        struct upstream *upstream = &generation->upstreams->list[i];
        size_t all, up;

        upstream_count(upstream, &all, &up);
        metrics_sample(
            out, name,
            (const struct metric_label[METRIC_LABELS]){{"upstream", upstream->config->name}},
            (double)(only_up ? up : all));
    }
}

struct server_gauge {
    const char *name, *help;
    double (*value)(const struct listed_member *listed);
    FILE *out;
};

static double count_live(const struct listed_member *listed) {
    return listed->member != NULL ? (double)atomic_load(&listed->member->live) : 0;
}

static double is_server_up(const struct listed_member *listed) {
    return listed->member != NULL && member_is_used(listed->member, clock_now());
}

static double get_weight(const struct listed_member *listed) {
    return (double)listed->weight;
}

static void write_server(void *arg, const struct upstream *upstream,
                         const struct listed_member *listed) {
    const struct server_gauge *gauge = arg;
    char address[ADDR_TEXT_MAX];

    servers_address(listed, address);
    metrics_sample(gauge->out, gauge->name,
                   (const struct metric_label[METRIC_LABELS]){{"upstream", upstream->config->name},
                                                              {"server", listed->server->name},
                                                              {"address", address}},
                   gauge->value(listed));
}

static bool write_servers(FILE *out, const struct generation *generation) {
    struct server_gauge gauges[] = {
        {"relayd_server_connections", "Connections to an address of a server, and dials under way.",
         count_live, out},
        {"relayd_server_up", "1: it can be chosen; 0: it is down, left alone or cut off.",
         is_server_up, out},
        {"relayd_server_weight", "Its weight; 0: it gets no new connections.", get_weight, out},
    };

    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metrics_begin(out, gauges[i].name, "gauge", gauges[i].help);
        if (!servers_visit(generation, write_server, &gauges[i]))
            return false;
    }
    return true;
}

struct reply gauges_reply(const struct question *question) {
    struct reply reply = {.status = 200, .type = "text/plain; version=0.0.4; charset=utf-8"};
    const struct generation *generation = question->generation;
    size_t n = 0;
    FILE *out = open_memstream(&reply.body, &n);

    if (out == NULL)
        return reply;
    write_process(out, question);
    metrics_counters(out);
    write_listeners(out, generation);
    write_upstreams(out, generation, "relayd_upstream_servers",
                    "Addresses of an upstream's servers, without those of weight 0.", false);
    write_upstreams(out, generation, "relayd_upstream_servers_up", "Those of them that are up.",
                    true);
    bool written = write_servers(out, generation) && !ferror(out);
    if (fclose(out) != 0 || !written) {
        free(reply.body);
        reply.body = NULL;
    }
    return reply;
}
