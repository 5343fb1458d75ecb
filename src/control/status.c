#include "control/status.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "config/options.h"
#include "conn/sweep.h"
#include "version.h"

struct held_count {
    unsigned epoch; /* of the keeper */
    size_t all, held;
};

static void count_if_held(void *arg, struct conn *conn) {
    struct held_count *count = arg;

    if (conn->fd[SIDE_SERVER] < 0)
        return; /* refused, and reads why */
    count->all++;
    count->held += conn_is_held(conn, count->epoch);
}

static const char *describe_keeper(struct relay *relay, char *buf, size_t size) {
    const struct link *link = relay_link(relay);
    struct held_count count = {0};

    if (link == NULL)
        return "off";
    if (!link_is_up(link))
        return "absent";
    count.epoch = atomic_load(&link->epoch);
    sweep_visit(&relay->road.registry, count_if_held, &count);
    if (count.held == count.all)
        return "holds all";
    snprintf(buf, size, "holds %zu of %zu", count.held, count.all);
    return buf;
}

static json_t *list_addresses(const struct listener_config *listener) {
    json_t *list = json_array();
    char shown[ADDR_TEXT_MAX];

    for (size_t i = 0; i < listener->n_address; i++)
        json_array_append_new(
            list,
            json_string(escape_text(listener->address[i].text, strlen(listener->address[i].text),
                                    ESCAPE_UNPRINTABLE, shown, sizeof(shown))));
    return list;
}

static json_t *list_listeners(const struct generation *generation) {
    json_t *list = json_array();

    for (size_t i = 0; i < generation->config->n_listeners; i++) {
        const struct listener_config *listener = &generation->config->listeners[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:s, s:I, s:I}", "name", listener->name,
                                        "addresses", list_addresses(listener), "upstream",
                                        generation->config->upstreams[listener->upstream].name,
                                        "live", (json_int_t)gate_live(&generation->limits[i]->gate),
                                        "max_connections", (json_int_t)listener->max_connections));
    }
    return list;
}

static json_t *list_upstreams(const struct generation *generation) {
    json_t *list = json_array();

    for (size_t i = 0; i < generation->upstreams->n; i++) {
        struct upstream *upstream = &generation->upstreams->list[i];
        char balance[OPTIONS_TEXT_MAX];
        size_t all, up;

        upstream_count(upstream, &all, &up);
        options_format(&option_infos[OPT_upstream_balance], upstream->config, balance,
                       sizeof(balance));
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "name",
                                              upstream->config->name, "balance", balance, "servers",
                                              (json_int_t)all, "up", (json_int_t)up));
    }
    return list;
}

struct reply status_reply(const struct question *question) {
    const struct generation *generation = question->generation;
    struct gate *gate = &question->relay->road.gate;
    char keeper[64], fingerprint[16];

    snprintf(fingerprint, sizeof(fingerprint), "%08x", question->fingerprint);
    return reply_json(
        200, json_pack("{s:s, s:I, s:I, s:I, s:o, s:s, s:s, s:o, s:o}", "version", RELAYD_VERSION,
                       "since", (json_int_t)question->since, "live", (json_int_t)gate_live(gate),
                       "max", (json_int_t)gate_max(gate), "rate",
                       question->rate < 0 ? json_null() : json_real(question->rate), "keeper",
                       describe_keeper(question->relay, keeper, sizeof(keeper)), "fingerprint",
                       fingerprint, "listeners", list_listeners(generation), "upstreams",
                       list_upstreams(generation)));
}

static void add_reason(json_t *reasons, const char *sentence) {
    json_array_append_new(reasons, json_string(sentence));
}

struct reply ready_reply(const struct question *question) {
    const struct upstreams *upstreams = question->generation->upstreams;
    json_t *reasons = json_array();

    if (atomic_load(&question->relay->road.stop_accept))
        add_reason(reasons, "relayd stops: it takes no new connections");
    for (size_t i = 0; i < upstreams->n; i++) {
        char sentence[CONFIG_NAME_MAX + 64];
        size_t all, up;

        upstream_count(&upstreams->list[i], &all, &up);
        snprintf(sentence, sizeof(sentence), "no server of upstream %s is up",
                 upstreams->list[i].config->name);
        if (up == 0)
            add_reason(reasons, sentence);
    }
    bool ready = json_array_size(reasons) == 0;
    return reply_json(ready ? 200 : 503,
                      json_pack("{s:b, s:o}", "ready", ready, "reasons", reasons));
}
