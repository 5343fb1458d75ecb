#include "control/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_member.h"
#include "base/log_tap.h"
#include "base/text.h"
#include "control/servers.h"
#include "control/status.h"
#include "version.h"

#define EVENTS 20

/* Kinds of messages that name no client and quote no file. */
static bool is_for_all(enum log_kind kind) {
    static const bool for_all[MSG_COUNT] = {
        [MSG_READY] = true,         [MSG_STOPPING] = true,      [MSG_LIMITS] = true,
        [MSG_EXHAUSTED] = true,     [MSG_ACCEPT_FAILED] = true, [MSG_RESOLVE_FAILED] = true,
        [MSG_RESOLVED] = true,      [MSG_SERVER_DOWN] = true,   [MSG_SERVER_OUT] = true,
        [MSG_CUT_OFF] = true,       [MSG_SERVER_UP] = true,     [MSG_SERVER_FLAPS] = true,
        [MSG_UPSTREAM_DOWN] = true, [MSG_UPSTREAM_UP] = true,   [MSG_LOG_DROPPED] = true,
        [MSG_RELOADED] = true,      [MSG_KEEPER_READY] = true,  [MSG_KEEPER_HOLDS] = true,
        [MSG_KEEPER_BACK] = true,   [MSG_ADOPTED] = true,       [MSG_LEFT] = true,
        [MSG_STUCK] = true,         [MSG_INTERFACE] = true,     [MSG_FULL] = true,
    };

    return for_all[kind];
}

/* The last ones. */
static json_t *list_events(bool all) {
    char *text = log_tap_kept(all ? NULL : is_for_all), *rest = text;
    json_t *list = json_array();

    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (line[0] == '\0')
            continue;
        json_add(&list, json_loads(line, 0, NULL));
        if (json_array_size(list) > EVENTS)
            json_array_remove(list, 0);
    }
    free(text);
    return list;
}

static bool is_well(const char *state) {
    return strcmp(state, "up") == 0 || strcmp(state, "starting") == 0 ||
           strcmp(state, "draining") == 0 || strcmp(state, "maintenance") == 0;
}

/* What fails, and why, in sentences. */
static json_t *list_problems(const json_t *status, const json_t *servers) {
    json_t *problems = json_array();
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(status, "upstreams"), i, one) {
        if (member_number(one, "up") == 0)
            json_add(&problems, json_sprintf("No server of %s is up: its clients are refused.",
                                             member_text(one, "name", "")));
    }
    json_array_foreach(servers, i, one) {
        if (!is_well(member_text(one, "state", "")))
            json_add(&problems,
                     json_sprintf("%s/%s (%s) gets no connections: %s.",
                                  member_text(one, "upstream", ""), member_text(one, "server", ""),
                                  member_text(one, "address", ""), member_text(one, "reason", "")));
    }
    json_array_foreach(json_object_get(status, "near"), i, one)
        json_add(&problems, json_sprintf("Near its limit: %s", json_string_value(one)));
    json_array_foreach(json_object_get(status, "troubles"), i, one)
        json_add(&problems, json_string(json_string_value(one)));
    return problems;
}

/* NULL: no memory. */
static json_t *make_data(const struct question *question) {
    json_t *status = status_json(question), *servers = servers_json(question);
    json_t *problems = list_problems(status, servers);

    return json_pack("{s:o, s:o, s:o, s:o}", "status", status, "servers", servers, "events",
                     list_events(question->clients), "problems", problems);
}

struct reply page_json_reply(const struct question *question) {
    return reply_json(200, make_data(question));
}

static void put_html(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (strchr("<>&\"'", *text) != NULL)
            fprintf(out, "&#%d;", *text);
        else
            putc(*text, out);
    }
}

static void put_cell(FILE *out, const char *name, bool number, const char *text) {
    fprintf(out, "<td%s data-name=\"%s\">", number ? " class=\"n\"" : "", name);
    put_html(out, text);
    fputs("</td>", out);
}

/* "-": it is not known. */
static const char *show_number(const json_t *object, const char *name, char buf[32]) {
    const json_t *value = json_object_get(object, name);

    snprintf(buf, 32, "-");
    if (json_is_number(value))
        snprintf(buf, 32, "%.*f", json_is_real(value) && json_number_value(value) < 10 ? 1 : 0,
                 json_number_value(value));
    return buf;
}

static void fill_name(FILE *out, const json_t *data) {
    (void)data;
    put_html(out, "relayd " RELAYD_VERSION);
}

static void fill_about(FILE *out, const json_t *data) {
    const json_t *status = json_object_get(data, "status");
    char age[32];

    text_human_time((time(NULL) - (time_t)member_number(status, "since")) * USEC_PER_SEC, age,
                    sizeof(age));
    fprintf(out, "up %s, keeper: ", age);
    put_html(out, member_text(status, "keeper", ""));
    fputs(", configuration ", out);
    put_html(out, member_text(status, "fingerprint", ""));
}

static void fill_verdict(FILE *out, const json_t *data) {
    const json_t *problem, *problems = json_object_get(data, "problems");
    size_t i;

    if (json_array_size(problems) == 0) {
        fputs(
            "<div class=\"verdict\"><span aria-hidden=\"true\">&#x2714; </span>Every upstream "
            "and server is up.</div>",
            out);
        return;
    }
    fputs(
        "<div class=\"verdict bad\"><span aria-hidden=\"true\">&#x2716; </span><strong>"
        "Something fails</strong><ul>",
        out);
    json_array_foreach(problems, i, problem) {
        fputs("<li>", out);
        put_html(out, json_string_value(problem));
        fputs("</li>", out);
    }
    fputs("</ul></div>", out);
}

static void put_figure(FILE *out, const char *name, const char *value, const char *unit) {
    fprintf(out, "<div class=\"figure\"><dt>%s</dt><dd>", name);
    put_html(out, value);
    fprintf(out, "%s</dd></div>", unit);
}

static void put_byte_rate(FILE *out, const char *name, const json_t *status, const char *member) {
    char text[32] = "-";

    if (json_is_number(json_object_get(status, member)))
        text_human_bytes((uint64_t)member_number(status, member), text, sizeof(text));
    put_figure(out, name, text, "/s");
}

static void fill_figures(FILE *out, const json_t *data) {
    const json_t *status = json_object_get(data, "status"), *listener;
    char live[80], a[32], b[32];
    long long refused = 0;
    size_t i;

    json_array_foreach(json_object_get(status, "listeners"), i, listener) refused +=
        member_number(listener, "refused_min");
    snprintf(live, sizeof(live), "%s of %s", show_number(status, "live", a),
             show_number(status, "max", b));
    put_figure(out, "Connections", live, "");
    put_figure(out, "New connections", show_number(status, "rate", a), "/s");
    put_byte_rate(out, "From clients", status, "up_rate");
    put_byte_rate(out, "To clients", status, "down_rate");
    snprintf(a, sizeof(a), "%lld", refused);
    put_figure(out, "Refused", a, "/min");
}

static const struct {
    const char *state, *shape, *word;
} looks[] = {
    {"up", "&#x25cf;", "up"},
    {"down", "&#x2716;", "DOWN"},
    {"left_alone", "&#x25b2;", "left alone"},
    {"starting", "&#x25d0;", "starting"},
    {"draining", "&#x25c6;", "draining"},
    {"maintenance", "&#x25a0;", "maintenance"},
};

static void put_state(FILE *out, const json_t *server) {
    const char *state = member_text(server, "state", ""),
               *reason = member_text(server, "reason", "");

    fputs("<td data-name=\"State\">", out);
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (strcmp(looks[i].state, state) == 0)
            fprintf(out, "<span class=\"state %s\"><span aria-hidden=\"true\">%s </span>%s</span>",
                    state, looks[i].shape, looks[i].word);
    if (reason[0] != '\0') {
        fputs("<span class=\"why\"> ", out);
        put_html(out, reason);
        fputs("</span>", out);
    }
    fputs("</td>", out);
}

static void put_server(FILE *out, const json_t *server) {
    char text[80], p50[32], p99[32];

    fputs("<tr><td>", out);
    put_html(out, member_text(server, "server", ""));
    fputs("</td>", out);
    put_cell(out, "Address", false, member_text(server, "address", ""));
    put_state(out, server);
    put_cell(out, "Conns", true, show_number(server, "live", text));
    snprintf(text, sizeof(text), "%g", json_number_value(json_object_get(server, "weight")));
    put_cell(out, "Weight", true,
             json_is_true(json_object_get(server, "deviates")) ? strcat(text, "*") : text);
    put_cell(out, "New/s", true, show_number(server, "rate", text));
    fputs("<td class=\"live\"></td>", out);
    snprintf(text, sizeof(text), "-");
    if (json_is_integer(json_object_get(server, "connect_p50_us")))
        snprintf(text, sizeof(text), "%s / %s",
                 text_human_time(member_number(server, "connect_p50_us"), p50, sizeof(p50)),
                 text_human_time(member_number(server, "connect_p99_us"), p99, sizeof(p99)));
    put_cell(out, "Connect p50/p99", true, text);
    put_cell(out, "Failed/min", true, show_number(server, "failed_min", text));
    fputs("</tr>\n", out);
}

static void fill_servers(FILE *out, const json_t *data) {
    const json_t *upstreams = json_object_get(json_object_get(data, "status"), "upstreams"),
                 *upstream, *server;
    size_t i, k;

    json_array_foreach(upstreams, i, upstream) {
        long long up = member_number(upstream, "up"), all = member_number(upstream, "servers");

        fputs("<tr class=\"group\"><th colspan=\"9\" scope=\"rowgroup\">", out);
        put_html(out, member_text(upstream, "name", ""));
        fputs(" <small>", out);
        put_html(out, member_text(upstream, "balance", ""));
        fprintf(out, ", </small><span class=\"%s\">%s",
                up == 0     ? "error"
                : up == all ? "up"
                            : "warning",
                up == 0     ? "&#x2716; "
                : up == all ? ""
                            : "&#x25b2; ");
        if (json_is_true(json_object_get(upstream, "drained")))
            fputs("all drained", out);
        else if (all == 0)
            fputs("no address", out);
        else
            fprintf(out, "%lld of %lld up", up, all);
        fputs("</span></th></tr>\n", out);
        json_array_foreach(json_object_get(data, "servers"), k,
                           server) if (strcmp(member_text(server, "upstream", ""),
                                              member_text(upstream, "name", "")) == 0)
            put_server(out, server);
    }
}

static void fill_listeners(FILE *out, const json_t *data) {
    const json_t *listeners = json_object_get(json_object_get(data, "status"), "listeners"),
                 *listener, *address;
    char text[160], number[32];
    size_t i, k;

    json_array_foreach(listeners, i, listener) {
        fputs("<tr><td>", out);
        put_html(out, member_text(listener, "name", ""));
        fputs("</td><td data-name=\"Address\">", out);
        json_array_foreach(json_object_get(listener, "addresses"), k, address) {
            fputs(k > 0 ? ", " : "", out);
            put_html(out, json_string_value(address));
        }
        fputs("</td>", out);
        put_cell(out, "To", false, member_text(listener, "upstream", ""));
        put_cell(out, "Conns", true, show_number(listener, "live", number));
        put_cell(out, "New/s", true, show_number(listener, "rate", number));
        fputs("<td class=\"live\"></td>", out);
        const char *why = member_text(listener, "refused_why", "");
        snprintf(text, sizeof(text), "%s%s%s%s", show_number(listener, "refused_min", number),
                 why[0] != '\0' ? " (" : "", why, why[0] != '\0' ? ")" : "");
        put_cell(out, "Refused/min", true, text);
        fputs("</tr>\n", out);
    }
}

static void fill_events(FILE *out, const json_t *data) {
    const json_t *events = json_object_get(data, "events");

    for (size_t i = json_array_size(events); i > 0; i--) {
        const json_t *event = json_array_get(events, i - 1);
        const char *time = member_text(event, "time", ""), *level = member_text(event, "level", "");
        bool urgent = strcmp(level, "error") == 0 || strcmp(level, "warning") == 0;

        fprintf(out, "<tr><td><time>%.8s</time></td><td>", strlen(time) > 11 ? time + 11 : "");
        if (urgent)
            fprintf(out, "<span class=\"%s\">%s: </span>", level, level);
        put_html(out, member_text(event, "message", ""));
        fputs("</td></tr>\n", out);
    }
}

#include "control/page_html.h"

struct reply page_reply(const struct question *question) {
    struct reply reply = {.status = 200, .type = "text/html; charset=utf-8", .policy = PAGE_POLICY};
    json_t *data = make_data(question);
    size_t n = 0;
    FILE *out = data != NULL ? open_memstream(&reply.body, &n) : NULL;

    for (size_t i = 0; out != NULL && i < ARRAY_LEN(page_pieces); i++) {
        fputs(page_pieces[i].text, out);
        if (page_pieces[i].fill != NULL)
            page_pieces[i].fill(out, data);
    }
    json_decref(data);
    if (out != NULL)
        reply_close(&reply, out, true);
    return reply;
}
