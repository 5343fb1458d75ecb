#include "control/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/host_name.h"
#include "base/text.h"
#include "config/options.h"
#include "control/explain_name.h"
#include "listen/blocks.h"
#include "road/admit.h"
#include "upstream/search.h"

#define CLAUSE_MAX   256
#define SERVERS_MOST 256 /* of an upstream are named */

/* The longest that covers this address. */
static const struct blocked_prefix *find_longest(const struct blocked_prefix *rows, size_t n,
                                                 const struct addr *client) {
    const struct blocked_prefix *longest = NULL;

    for (size_t i = 0; i < n; i++)
        if (prefix_has(&rows[i].prefix, client) &&
            (longest == NULL || rows[i].prefix.bits > longest->prefix.bits))
            longest = &rows[i];
    return longest;
}

/* What blocks_cover has seen: its prefix, until when, and by whom; null: it has just ended. */
static json_t *explain_block(const struct addr *client) {
    struct blocked_prefix *rows = calloc(STEERING_BLOCKS, sizeof(*rows));
    size_t n = rows != NULL ? blocks_list(rows) : 0;
    struct addr within[EMBEDDED_MOST];
    const struct blocked_prefix *row = find_longest(rows, n, client);
    size_t n_within = embedded_find(client, within);
    json_t *json = json_null();
    char text[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < n_within && row == NULL; i++)
        row = find_longest(rows, n, &within[i]);
    if (row != NULL)
        json =
            json_pack("{s:s, s:o, s:I}", "prefix", prefix_format(&row->prefix, text, sizeof(text)),
                      "until", row->until != 0 ? json_integer(clock_wall(row->until)) : json_null(),
                      "by_uid", (json_int_t)row->by_uid);
    free(rows);
    return json;
}

/* Why, in a clause. */
static void explain_admission(const struct listener_config *config, const struct admit_look *look,
                              char ret_why[CLAUSE_MAX]) {
    char text[PREFIX_TEXT_MAX] = "";

    if (look->listed >= 0)
        prefix_format(&look->prefix, text, sizeof(text));
    if (look->end == END_CLIENT_CONNECTIONS)
        snprintf(ret_why, CLAUSE_MAX, "it has max_connections_per_client connections");
    else if (look->end == END_CLIENT_RATE)
        snprintf(ret_why, CLAUSE_MAX, "it is faster than max_rate_per_client");
    else if (look->end == END_BLOCKED)
        snprintf(ret_why, CLAUSE_MAX, "an operator blocks it");
    else if (look->end == END_DENIED && look->listed < 0 && config->allow.n > 0)
        snprintf(ret_why, CLAUSE_MAX, "no prefix of allow covers it");
    else if (look->end == END_DENIED && look->listed != ACCESS_DENY)
        snprintf(ret_why, CLAUSE_MAX, "deny covers the IPv4 address in it");
    else if (look->listed < 0)
        snprintf(ret_why, CLAUSE_MAX, "no prefix of allow or deny covers it");
    else
        snprintf(ret_why, CLAUSE_MAX, "%s has %s", look->listed == ACCESS_DENY ? "deny" : "allow",
                 text);
}

static const char *explain_none(enum search_outcome outcome) {
    switch (outcome) {
    case SEARCH_FULL:
        return "all its servers that are up have max_connections";
    case SEARCH_DRAINED:
        return "all its servers have weight 0";
    case SEARCH_NO_NAME:
        return "no name of its servers has an address";
    case SEARCH_DOWN:
    case SEARCH_OVER:
    case SEARCH_STOPPED:
    case SEARCH_FOUND:
    default:
        return "all its servers are down, or left alone until one connection has tried them";
    }
}

/* What was last found wrong with one of them, where one was tried: a sentence without its stop. */
static json_t *explain_nowhere(struct upstream *upstream, enum search_outcome none) {
    char trouble[BULLETIN_TROUBLE_MAX];

    bulletin_trouble(upstream->bulletin, trouble, sizeof(trouble));
    if (none != SEARCH_DOWN || trouble[0] == '\0')
        return json_string(explain_none(none));
    return json_sprintf("%s; the last one: %s", explain_none(none), trouble);
}

/* A server that may be chosen. last_failure: null, unless its last dial failed. */
static json_t *explain_server(const struct member *member) {
    char address[ADDR_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s?}", "server", member->server, "address",
                     addr_format(&member->addr, address, sizeof(address)), "last_failure",
                     member_is_failing(member) ? member_dial_error(member) : NULL);
}

/* Where it would go (upstream NULL: nowhere). */
static void explain_way(json_t **json, struct upstream *upstream, const struct addr *client) {
    struct member *list[SERVERS_MOST];

    if (upstream == NULL) {
        json_put(json, "upstream", json_string(""));
        return;
    }
    json_t *servers = json_array();
    enum search_outcome none = SEARCH_FOUND;
    size_t n = search_look(upstream, client, list, SERVERS_MOST, &none);
    char balance[OPTIONS_TEXT_MAX];

    options_format(&option_infos[OPT_upstream_balance], upstream->config, balance, sizeof(balance));
    for (size_t i = 0; i < n && i < SERVERS_MOST; i++) {
        json_add(&servers, explain_server(list[i]));
        member_unref(list[i]);
    }
    json_put(json, "upstream", json_string(upstream->config->name));
    json_put(json, "balance", json_string(balance));
    json_put(json, "servers", servers);
    json_put(json, "may_be_chosen", json_integer((json_int_t)n));
    json_put(json, "no_server", n == 0 ? explain_nowhere(upstream, none) : json_null());
}

/* The route section that a client who asks for the name takes; null: none. */
static json_t *explain_section(const struct route_config *section) {
    return section != NULL ? json_string(section->pattern) : json_null();
}

static json_t *explain_at(const struct route *trunk, const struct addr *client, const char *name) {
    const struct listener_config *config = trunk->config;
    const struct route_config *section = explain_name_route(config, name);
    const struct route *route =
        section != NULL ? &trunk->branches[section - config->routes] : trunk;
    struct admit_look look = admit_look(route, client);
    struct gate *gate = &route->limit->gate;
    char why[CLAUSE_MAX];

    explain_admission(config, &look, why);
    if (look.end == END_NONE && route->upstream == NULL && config->mode != MODE_HTTP) {
        look.end = END_UNKNOWN_NAME;
        snprintf(why, sizeof(why), "no route is for %s, and there is no upstream for the rest",
                 name[0] != '\0' ? "its name" : "clients without a name");
    }
    json_t *json = json_pack(
        "{s:s, s:o, s:b, s:o, s:s, s:o, s:b, s:b, s:I, s:I, s:I, s:I}", "listener", config->name,
        "route", explain_section(section), "admitted", look.end == END_NONE, "end",
        look.end != END_NONE ? json_string(end_infos[look.end].code) : json_null(), "why", why,
        "block", look.end == END_BLOCKED ? explain_block(client) : json_null(), "full",
        gate_live(gate) >= gate_max(gate), "by_proxy_header", config->accept_proxy != PROXY_OFF,
        "connections", (json_int_t)look.count.live, "max_connections",
        (json_int_t)config->max_connections_per_client, "max_rate",
        (json_int_t)config->max_rate_per_client, "burst", (json_int_t)look.count.burst);

    explain_way(&json, route->upstream, client);
    explain_name_requests(&json, route, name);
    explain_name_add(&json, config, name);
    return json;
}

/* client NULL: whoever. */
static void explain_listener(json_t **list, const struct route *trunk, const struct addr *client,
                             const char *name) {
    const struct listener_config *config = trunk->config;

    if (client != NULL)
        json_add(list, explain_at(trunk, client, name));
    else if (config->n_routes > 0 || config->tls.given)
        json_add(list, explain_name_at(trunk, name));
}

struct reply explain_reply(const struct question *question) {
    const struct generation *generation = question->generation;
    const char *text = question->argument(question->arg, "client"),
               *listener = question->argument(question->arg, "listener"),
               *asked = question->argument(question->arg, "name"),
               *why = "which client? client=ADDRESS says it, as 198.51.100.7; or which name?";
    char sentence[CLAUSE_MAX], name[HOST_NAME_SIZE] = "";
    struct addr client;

    if ((text != NULL || asked == NULL) && (text == NULL || !addr_parse_ip(text, &client, &why))) {
        snprintf(sentence, sizeof(sentence), "client=%.64s: %s", text != NULL ? text : "", why);
        return reply_error(400, sentence);
    }
    if (asked != NULL && host_name_read(asked, strlen(asked), name) != HOST_NAME_GOOD)
        return reply_error(400, "name=NAME is what a client asks for by SNI, as www.example.com");
    json_t *list = json_array();
    for (size_t i = 0; i < generation->config->n_listeners; i++)
        if (listener == NULL || strcmp(listener, generation->config->listeners[i].name) == 0)
            explain_listener(&list, &generation->routes[i], text != NULL ? &client : NULL, name);
    if (list == NULL || json_array_size(list) > 0)
        return reply_json(200, list);
    json_decref(list);
    snprintf(sentence, sizeof(sentence), "there is no listener%s%.64s%s",
             listener != NULL ? " " : "", listener != NULL ? listener : "",
             text != NULL ? "" : " that looks at the name which clients ask for");
    return reply_error(400, sentence);
}
