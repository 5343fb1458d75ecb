#include "relayctl/screens.h"

#include <string.h>
#include <time.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/deviations.h"
#include "relayctl/grid.h"
#include "relayctl/screen_tls.h"
#include "relayctl/user.h"

#define NUMBER_MAX 32
#define PLACE_MAX  256

/* "-": it is not known. */
static const char *get_number(const json_t *object, const char *name, char buf[NUMBER_MAX]) {
    const json_t *value = json_object_get(object, name);

    if (json_is_real(value))
        snprintf(buf, NUMBER_MAX, "%.*f", json_real_value(value) < 10 ? 1 : 0,
                 json_real_value(value));
    else if (json_is_integer(value))
        snprintf(buf, NUMBER_MAX, "%lld", (long long)json_integer_value(value));
    else
        snprintf(buf, NUMBER_MAX, "-");
    return buf;
}

static const char *get_bytes(const json_t *object, const char *name, char buf[NUMBER_MAX]) {
    return text_human_bytes((uint64_t)member_number(object, name), buf, NUMBER_MAX);
}

static void print_byte_rate(const json_t *status, const char *name, const char *word, FILE *out) {
    char bytes[NUMBER_MAX];

    if (json_is_integer(json_object_get(status, name)))
        fprintf(out, "   %s %s/s", word, get_bytes(status, name, bytes));
}

static void print_failures(const json_t *failures, FILE *out) {
    const json_t *failure;
    size_t i;

    json_array_foreach(failures, i, failure) {
        char n[NUMBER_MAX];

        fprintf(out, "%s%s %s (%s)", i == 0 ? "failed in 5 min: " : ", ",
                get_number(failure, "last_5_min", n), member_text(failure, "code", "-"),
                member_text(failure, "why", "-"));
    }
    if (json_array_size(failures) > 0)
        putc('\n', out);
}

static void print_head(const json_t *status, time_t now, FILE *out) {
    char live[NUMBER_MAX], max[NUMBER_MAX], rate[NUMBER_MAX], age[NUMBER_MAX];
    const json_t *sentence, *near = json_object_get(status, "near");
    long long since = member_number(status, "since");
    size_t i;

    fprintf(out, "relayd %s   up %s   keeper: %s   configuration %s\n",
            member_text(status, "version", "-"),
            text_human_age((long long)now - since, 2, age, NUMBER_MAX),
            member_text(status, "keeper", "-"), member_text(status, "fingerprint", "-"));
    fprintf(out, "%s of %s connections   %s/s", get_number(status, "live", live),
            get_number(status, "max", max), get_number(status, "rate", rate));
    print_byte_rate(status, "up_rate", "in", out);
    print_byte_rate(status, "down_rate", "out", out);
    putc('\n', out);
    json_array_foreach(near, i, sentence)
        fprintf(out, "near its limit: %s\n", json_words(sentence));
    json_array_foreach(json_object_get(status, "troubles"), i, sentence)
        fprintf(out, "trouble: %s\n", json_words(sentence));
    if (json_is_true(json_object_get(status, "stopping")))
        fputs("stopping: no new connections; those there are may finish\n", out);
    if (json_is_true(json_object_get(status, "lame")))
        fputs("lame duck: GET /ready says no\n", out);
    print_failures(json_object_get(status, "failures"), out);
}

/* "2 (rate)" */
static const char *get_refused(const json_t *listener, char buf[PLACE_MAX]) {
    const char *why = member_text(listener, "refused_why", "-");
    char n[NUMBER_MAX];
    bool told = member_number(listener, "refused_min") > 0;

    snprintf(buf, PLACE_MAX, told ? "%s (%s)" : "%s", get_number(listener, "refused_min", n), why);
    return buf;
}

/* A listener has a line for each of its addresses. */
static void add_listener(struct grid *grid, const json_t *listener) {
    const json_t *addresses = json_object_get(listener, "addresses");
    char live[NUMBER_MAX], rate[NUMBER_MAX], refused[PLACE_MAX], tls[PLACE_MAX];

    for (size_t i = 0; i < json_array_size(addresses); i++) {
        const char *address = json_string_value(json_array_get(addresses, i));
        const char *first[GRID_COLUMNS] = {member_text(listener, "name", "-"),
                                           address != NULL ? address : "-",
                                           member_text(listener, "upstream", "-"),
                                           get_number(listener, "live", live),
                                           get_number(listener, "rate", rate),
                                           get_refused(listener, refused),
                                           screen_listener_tls(listener, tls, sizeof(tls))};
        const char *more[GRID_COLUMNS] = {"", address != NULL ? address : "-"};

        grid_add(grid, i == 0 ? first : more);
    }
}

/* Prints it and frees it. False: it is not whole. */
static bool finish_grid(struct grid *grid, FILE *out) {
    grid_print(grid, out);
    bool whole = !grid->failed;
    grid_free(grid);
    return whole;
}

static bool print_listeners(const json_t *status, FILE *out) {
    struct grid grid = {
        .heads = {"LISTENER", "ADDRESS", "UPSTREAM", "CONNS", "NEW/s", "REFUSED/min", ""},
        .right = {[3] = true, [4] = true}};
    const json_t *listener, *listeners = json_object_get(status, "listeners");
    size_t i;

    json_array_foreach(listeners, i, listener) add_listener(&grid, listener);
    return finish_grid(&grid, out) && json_is_array(listeners);
}

/* The words of relayd, and what they look like: capitals catch the eye. */
static const struct look {
    const char *state, *shown;
    enum tint tint;
} looks[] = {
    {"up", "up", TINT_GOOD},
    {"starting", "starting", TINT_WARN},
    {"left_alone", "left alone", TINT_WARN},
    {"draining", "draining", TINT_AWAY},
    {"maintenance", "maintenance", TINT_AWAY},
    {"down", "DOWN", TINT_BAD},
};

static struct look find_look(const char *state) {
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (strcmp(looks[i].state, state) == 0)
            return looks[i];
    return (struct look){state, state, TINT_NONE};
}

/* "0.3/1.1" */
static const char *get_connect_times(const json_t *server, char buf[NUMBER_MAX]) {
    const json_t *p50 = json_object_get(server, "connect_p50_us"),
                 *p99 = json_object_get(server, "connect_p99_us");
    double usual = (double)json_integer_value(p50) / 1000,
           worst = (double)json_integer_value(p99) / 1000;

    snprintf(buf, NUMBER_MAX, "-");
    if (json_is_integer(p50) && json_is_integer(p99))
        snprintf(buf, NUMBER_MAX, "%.*f/%.*f", usual < 10 ? 1 : 0, usual, worst < 10 ? 1 : 0,
                 worst);
    return buf;
}

static const char *get_age(const json_t *object, const char *name, time_t now,
                           char buf[NUMBER_MAX]) {
    const json_t *since = json_object_get(object, name);

    if (json_is_integer(since))
        return text_human_age((long long)now - json_integer_value(since), 1, buf, NUMBER_MAX);
    return "-";
}

/* * marks what differs from the file. */
static const char *shown_weight(const json_t *server, char buf[NUMBER_MAX]) {
    get_number(server, "weight", buf);
    if (json_is_true(json_object_get(server, "deviates")))
        text_append(buf, NUMBER_MAX, "*");
    return buf;
}

/* "(by root)": relayd knows no names of users. */
static void format_reason(const json_t *server, char *buf, size_t size) {
    static const char operator[] = "by an operator";
    const json_t *ordered = json_object_get(server, "ordered");
    const char *reason = member_text(server, "reason", "-");
    char user[USER_TEXT_MAX];

    if (json_is_object(ordered) && strncmp(reason, operator, strlen(operator)) == 0)
        snprintf(buf, size, "(by %s%s)", user_format(ordered, user, sizeof(user)),
                 reason + strlen(operator));
    else if (reason[0] != '\0')
        snprintf(buf, size, "(%s)", reason);
}

static void add_server(struct grid *grid, const json_t *server, bool indented, time_t now) {
    char name[PLACE_MAX], why[PLACE_MAX] = "", live[NUMBER_MAX], weight[NUMBER_MAX],
                          rate[NUMBER_MAX], times[NUMBER_MAX], failed[NUMBER_MAX], age[NUMBER_MAX];
    struct look look = find_look(member_text(server, "state", "-"));

    snprintf(name, sizeof(name), "%s%s%s  %s", indented ? "" : member_text(server, "upstream", "-"),
             indented ? "  " : "/", member_text(server, "server", "-"),
             member_text(server, "address", "-"));
    format_reason(server, why, sizeof(why));
    const char *cells[GRID_COLUMNS] = {name,
                                       look.shown,
                                       get_number(server, "live", live),
                                       shown_weight(server, weight),
                                       get_number(server, "rate", rate),
                                       get_connect_times(server, times),
                                       get_number(server, "failed_min", failed),
                                       get_age(server, "since", now, age),
                                       why};
    grid_add_tinted(grid, cells, look.tint);
}

/* The last column is why a server is not up. */
static const struct grid server_grid = {.heads = {"UPSTREAM/SERVER", "STATE", "CONNS", "WEIGHT",
                                                  "NEW/s", "p50/p99 ms", "FAILED/min", "SINCE", ""},
                                        .right = {[2] = true, [3] = true, [4] = true, [6] = true},
                                        .tinted = 1};

static void add_upstream_head(struct grid *grid, const json_t *upstream) {
    char name[PLACE_MAX], all[NUMBER_MAX], up[NUMBER_MAX], state[PLACE_MAX], tls[PLACE_MAX];

    snprintf(name, sizeof(name), "%s  %s", member_text(upstream, "name", "-"),
             member_text(upstream, "balance", "-"));
    if (json_is_true(json_object_get(upstream, "drained")))
        snprintf(state, sizeof(state), "all drained");
    else if (member_number(upstream, "servers") == 0)
        snprintf(state, sizeof(state), "no address");
    else
        snprintf(state, sizeof(state), "%s of %s up", get_number(upstream, "up", up),
                 get_number(upstream, "servers", all));
    grid_add(grid, (const char *[GRID_COLUMNS]){
                       name, state, [8] = screen_upstream_tls(upstream, tls, sizeof(tls))});
}

static bool print_upstreams(const json_t *status, const json_t *servers, time_t now, FILE *out) {
    struct grid grid = server_grid;
    const json_t *upstream, *server, *upstreams = json_object_get(status, "upstreams");
    size_t i, k;

    json_array_foreach(upstreams, i, upstream) {
        add_upstream_head(&grid, upstream);
        json_array_foreach(servers, k, server) if (strcmp(member_text(server, "upstream", "-"),
                                                          member_text(upstream, "name", "-")) == 0)
            add_server(&grid, server, true, now);
    }
    bool whole = finish_grid(&grid, out);
    deviations_print(servers, now, out);
    return whole && json_is_array(upstreams) && json_is_array(servers);
}

bool screen_status(const json_t *status, const json_t *servers, time_t now, FILE *out) {
    print_head(status, now, out);
    putc('\n', out);
    bool listeners = print_listeners(status, out);
    putc('\n', out);
    return print_upstreams(status, servers, now, out) && listeners;
}

bool screen_servers(const json_t *servers, time_t now, FILE *out) {
    struct grid grid = server_grid;
    const json_t *server;
    size_t i;

    json_array_foreach(servers, i, server) add_server(&grid, server, false, now);
    bool whole = finish_grid(&grid, out);
    deviations_print(servers, now, out);
    return whole && json_is_array(servers);
}

void screen_add_connection(struct grid *grid, const struct connection_row *row) {
    char id[NUMBER_MAX] = "-", age[NUMBER_MAX], idle[NUMBER_MAX], up[NUMBER_MAX], down[NUMBER_MAX],
         server[PLACE_MAX];
    const char *chosen = row->text[ROW_SERVER];

    if (row->has_id)
        snprintf(id, NUMBER_MAX, "%lld", row->number[ROW_ID]);
    snprintf(server, sizeof(server), "%s%s%s", row->text[ROW_UPSTREAM],
             chosen[0] != '\0' ? "/" : "", chosen);
    const char *cells[GRID_COLUMNS] = {
        id,
        text_human_time(row->number[ROW_AGE], age, NUMBER_MAX),
        text_human_time(row->number[ROW_IDLE], idle, NUMBER_MAX),
        row->text[ROW_CLIENT],
        row->text[ROW_LISTENER],
        server,
        row->text[ROW_PHASE],
        text_human_bytes((uint64_t)row->number[ROW_UP], up, NUMBER_MAX),
        text_human_bytes((uint64_t)row->number[ROW_DOWN], down, NUMBER_MAX),
        row->text[ROW_TLS_CLIENT]};
    grid_add(grid, cells);
}

struct grid screen_connection_grid(void) {
    return (struct grid){.heads = {"ID", "AGE", "IDLE", "CLIENT", "LISTENER", "SERVER", "PHASE",
                                   "UP", "DOWN", [SCREEN_TLS_CLIENT] = "TLS CLIENT"},
                         .right = {true, true, true, [7] = true, [8] = true}};
}

/* "in 10 min"; "-": until it is lifted. */
static const char *get_end(const json_t *block, time_t now, char buf[NUMBER_MAX]) {
    const json_t *until = json_object_get(block, "until");
    char left[NUMBER_MAX];

    snprintf(buf, NUMBER_MAX, "-");
    if (json_is_integer(until))
        snprintf(buf, NUMBER_MAX, "in %.24s",
                 text_human_left(json_integer_value(until) - now, left, sizeof(left)));
    return buf;
}

bool screen_blocks(const json_t *blocks, time_t now, FILE *out) {
    struct grid grid = {.heads = {"PREFIX", "SINCE", "ENDS", "BY"}};
    const json_t *block;
    size_t i;

    json_array_foreach(blocks, i, block) {
        char age[NUMBER_MAX], end[NUMBER_MAX], user[USER_TEXT_MAX];
        const char *cells[GRID_COLUMNS] = {
            member_text(block, "prefix", "-"), get_age(block, "since", now, age),
            get_end(block, now, end), user_format(block, user, sizeof(user))};

        grid_add(&grid, cells);
    }
    return finish_grid(&grid, out) && json_is_array(blocks);
}

bool screen_ready(const json_t *ready, FILE *out) {
    const json_t *reason, *reasons = json_object_get(ready, "reasons");
    size_t i;

    if (json_is_true(json_object_get(ready, "ready")))
        fputs("ready\n", out);
    json_array_foreach(reasons, i, reason) fprintf(out, "not ready: %s\n", json_words(reason));
    return json_is_boolean(json_object_get(ready, "ready")) && json_is_array(reasons);
}
