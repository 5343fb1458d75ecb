#include "control/status.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "config/options.h"
#include "relay/steer.h"
#include "conn/sweep.h"
#include "control/certificates.h"
#include "control/near.h"
#include "record/access_log.h"
#include "version.h"

static const char *describe_keeper(const struct relay *relay, const struct sweep_sum *sum,
                                   char *buf, size_t size) {
    const struct link *link = relay_link(relay);

    if (link == NULL)
        return "off";
    if (!link_is_up(link))
        return "absent";
    if (sum->unheld == 0)
        return "holds all";
    snprintf(buf, size, "holds %zu of %zu", sum->n - sum->unheld, sum->n);
    return buf;
}

static json_t *list_addresses(const struct listener_config *listener) {
    json_t *list = json_array();
    char shown[ADDR_TEXT_MAX];

    for (size_t i = 0; i < listener->n_address; i++)
        json_add(&list, json_string(escape_text(listener->address[i].text,
                                                strlen(listener->address[i].text),
                                                ESCAPE_UNPRINTABLE, shown, sizeof(shown))));
    return list;
}

static json_t *describe_route(const struct config *config, const struct route_config *route) {
    if (route->upstream == NO_UPSTREAM)
        return json_pack("{s:s, s:s}", "route", route->pattern, "redirect", route->redirect);
    return json_pack("{s:s, s:s}", "route", route->pattern, "upstream",
                     config->upstreams[route->upstream].name);
}

static json_t *list_routes(const struct config *config, const struct listener_config *listener) {
    json_t *list = json_array();

    for (size_t i = 0; i < listener->n_routes; i++)
        json_add(&list, describe_route(config, &listener->routes[i]));
    return list;
}

static json_t *describe_listener(const struct generation *generation, size_t i, usec_t now) {
    const struct listener_config *listener = &generation->config->listeners[i];
    struct limit *limit = generation->limits[i];
    enum end why;
    double refused = limit_count_refused(limit, now, &why);

    return json_pack(
        "{s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:f, s:I, s:s}", "name", listener->name, "addresses",
        list_addresses(listener), "upstream",
        listener->upstream != NO_UPSTREAM ? generation->config->upstreams[listener->upstream].name
                                          : "",
        "routes", list_routes(generation->config, listener), "tls",
        certificates_sum_listener(listener), "live", (json_int_t)gate_live(&limit->gate),
        "max_connections", (json_int_t)listener->max_connections, "rate",
        meter_rate(&limit->accepted, LIMIT_RATE_PERIOD, now), "refused_min",
        (json_int_t)(refused + 0.5), "refused_why", why != END_NONE ? end_infos[why].brief : "");
}

static json_t *list_listeners(const struct generation *generation) {
    json_t *list = json_array();
    usec_t now = clock_now();

    for (size_t i = 0; i < generation->config->n_listeners; i++)
        json_add(&list, describe_listener(generation, i, now));
    return list;
}

/* Of the last minutes, the most frequent first. */
static json_t *list_failures(void) {
    json_t *list = json_array();
    unsigned counts[END_COUNT];

    for (size_t i = 0; i < END_COUNT; i++)
        counts[i] = i != END_NONE ? end_count_recent((enum end)i) : 0;
    for (;;) {
        size_t most = 0;

        for (size_t i = 1; i < END_COUNT; i++)
            if (counts[i] > counts[most])
                most = i;
        if (counts[most] == 0)
            return list;
        json_add(&list, json_pack("{s:s, s:s, s:I}", "code", end_infos[most].code, "why",
                                  end_infos[most].brief, "last_5_min", (json_int_t)counts[most]));
        counts[most] = 0;
    }
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
        json_add(&list,
                 json_pack("{s:s, s:s, s:o, s:I, s:I, s:b}", "name", upstream->config->name,
                           "balance", balance, "tls", certificates_sum_upstream(upstream->config),
                           "servers", (json_int_t)all, "up", (json_int_t)up, "drained",
                           upstream_is_drained(upstream)));
    }
    return list;
}

/* What does not work, but for servers: sentences. */
static json_t *list_troubles(void) {
    json_t *list = json_array();
    char sentence[PATH_MAX + 256], shown[2 * sizeof(sentence)];

    if (access_log_fails(sentence, sizeof(sentence)))
        json_add(&list, json_string(escape_text(sentence, strlen(sentence), ESCAPE_UNPRINTABLE,
                                                shown, sizeof(shown))));
    return list;
}

/* Whole bytes a second. */
static json_t *pack_rate(double rate) {
    return rate >= 0 ? json_integer((json_int_t)rate) : json_null();
}

/* Connections accepted a second, of late. */
static double sum_rates(const struct generation *generation) {
    usec_t now = clock_now();
    double rate = 0;

    for (size_t i = 0; i < generation->config->n_listeners; i++)
        rate += meter_rate(&generation->limits[i]->accepted, LIMIT_RATE_PERIOD, now);
    return rate;
}

json_t *status_json(const struct question *question) {
    const struct generation *generation = question->generation;
    struct gate *gate = &question->relay->road.gate;
    char keeper[64], fingerprint[16];
    struct sweep_sum sum;
    double bytes[2];

    samples_take(question->samples, question->relay, &sum);
    samples_rates(question->samples, bytes);
    snprintf(fingerprint, sizeof(fingerprint), "%08x", generation->config->fingerprint);
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, "
        "s:b}",
        "version", RELAYD_VERSION, "pid", (json_int_t)getpid(), "since",
        (json_int_t)question->since, "live", (json_int_t)gate_live(gate), "max",
        (json_int_t)gate_max(gate), "rate", sum_rates(generation), "up_rate",
        pack_rate(bytes[DIR_UP]), "down_rate", pack_rate(bytes[DIR_DOWN]), "keeper",
        describe_keeper(question->relay, &sum, keeper, sizeof(keeper)), "fingerprint", fingerprint,
        "near", near_list(question), "troubles", list_troubles(), "failures", list_failures(),
        "listeners", list_listeners(generation), "upstreams", list_upstreams(generation), "lame",
        steer_is_lame(NULL) || steer_stops_soon(), "stopping",
        atomic_load(&question->relay->road.stop_accept), "adopting",
        atomic_load(&question->relay->adopts));
}

struct reply status_reply(const struct question *question) {
    return reply_json(200, status_json(question));
}

static void add_reason(json_t **reasons, const char *sentence) {
    json_add(reasons, json_string(sentence));
}

struct reply ready_reply(const struct question *question) {
    const struct upstreams *upstreams = question->generation->upstreams;
    json_t *reasons = json_array();

    if (atomic_load(&question->relay->road.stop_accept))
        add_reason(&reasons, "relayd stops: it takes no new connections");
    else if (steer_stops_soon())
        add_reason(&reasons, "relayd stops soon (lame_duck_time)");
    if (steer_is_lame(NULL))
        add_reason(&reasons, "an operator said lame-duck");
    for (size_t i = 0; i < upstreams->n; i++) {
        char sentence[CONFIG_NAME_MAX + 64];
        size_t all, up;

        upstream_count(&upstreams->list[i], &all, &up);
        snprintf(sentence, sizeof(sentence), "no server of upstream %s is up",
                 upstreams->list[i].config->name);
        if (up == 0)
            add_reason(&reasons, sentence);
    }
    bool ready = json_array_size(reasons) == 0;
    return reply_json(ready ? 200 : 503,
                      json_pack("{s:b, s:o}", "ready", ready, "reasons", reasons));
}
