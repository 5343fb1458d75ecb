#include "relayctl/screens.h"

#include <pwd.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "relayctl/grid.h"

#define NUMBER_MAX 32
#define PLACE_MAX  256

static const char *get_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "-";
}

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

/* The two largest units: "3 d 4 h". */
static const char *format_age(long long seconds, char buf[NUMBER_MAX]) {
    static const struct {
        long long seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;

    seconds = seconds > 0 ? seconds : 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    snprintf(buf, NUMBER_MAX, "%lld %s", seconds / units[i].seconds, units[i].name);
    if (i < 3 && seconds % units[i].seconds / units[i + 1].seconds > 0)
        text_append(buf, NUMBER_MAX, " %lld %s", seconds % units[i].seconds / units[i + 1].seconds,
                    units[i + 1].name);
    return buf;
}

static void print_head(const json_t *status, time_t now, FILE *out) {
    char live[NUMBER_MAX], max[NUMBER_MAX], rate[NUMBER_MAX], age[NUMBER_MAX];

    format_age((long long)now - json_integer_value(json_object_get(status, "since")), age);
    fprintf(out, "relayd %s   up %s", get_text(status, "version"), age);
    fprintf(out, "   %s of %s connections", get_number(status, "live", live),
            get_number(status, "max", max));
    if (json_is_real(json_object_get(status, "rate")))
        fprintf(out, "   %s/s", get_number(status, "rate", rate));
    fprintf(out, "   keeper: %s   configuration %s\n", get_text(status, "keeper"),
            get_text(status, "fingerprint"));
}

/* A listener has a line for each of its addresses. */
static void add_listener(struct grid *grid, const json_t *listener) {
    const json_t *addresses = json_object_get(listener, "addresses");
    char live[NUMBER_MAX];

    get_number(listener, "live", live);
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        const char *address = json_string_value(json_array_get(addresses, i));
        bool first = i == 0;
        const char *cells[GRID_COLUMNS] = {
            first ? get_text(listener, "name") : "", address != NULL ? address : "-",
            first ? get_text(listener, "upstream") : "", first ? live : ""};

        grid_add(grid, cells);
    }
}

/* Prints it and frees it. False: it is not whole. */
static bool finish_grid(struct grid *grid, FILE *out) {
    bool whole = !grid->failed;

    grid_print(grid, out);
    grid_free(grid);
    return whole;
}

static bool print_listeners(const json_t *status, FILE *out) {
    struct grid grid = {.heads = {"LISTENER", "ADDRESS", "UPSTREAM", "CONNS"},
                        .right = {[3] = true}};
    const json_t *listener, *listeners = json_object_get(status, "listeners");
    size_t i;

    json_array_foreach(listeners, i, listener) add_listener(&grid, listener);
    return finish_grid(&grid, out) && json_is_array(listeners);
}

/* "root, 4 min ago": who, and when. */
static void append_order_age(const json_t *ordered, char *buf, size_t size) {
    uid_t uid = (uid_t)json_integer_value(json_object_get(ordered, "by_uid"));
    json_int_t age = (json_int_t)time(NULL) - json_integer_value(json_object_get(ordered, "since"));
    const struct passwd *user = getpwuid(uid);
    char age_text[NUMBER_MAX], number[NUMBER_MAX];

    snprintf(number, sizeof(number), "uid %u", uid);
    text_append(buf, size, "%s, %s ago", user != NULL ? user->pw_name : number,
                format_age(age, age_text));
}

/* Capitals catch the eye. */
static void format_state(const json_t *server, char *buf, size_t size) {
    const char *state = get_text(server, "state"), *reason = get_text(server, "reason");
    bool bad = strcmp(state, "down") == 0;

    snprintf(buf, size, "%s%s%s%s",
             bad                                ? "DOWN"
             : strcmp(state, "left_alone") == 0 ? "left alone"
                                                : state,
             reason[0] != '\0' ? " (" : "", reason, reason[0] != '\0' ? ")" : "");
}

/* "0*": it differs from the file. */
static void format_weight(const json_t *server, char buf[NUMBER_MAX]) {
    get_number(server, "weight", buf);
    if (json_is_true(json_object_get(server, "deviates")))
        text_append(buf, NUMBER_MAX, "*");
}

/* What differs from the file, why, by whom and since when: a line for each server. */
static void print_deviations(const json_t *servers, FILE *out) {
    const char *upstream = "", *name = "";
    const json_t *server;
    size_t i;

    json_array_foreach(servers, i, server) {
        const json_t *ordered = json_object_get(server, "ordered"),
                     *weight = json_object_get(ordered, "weight");
        const char *state = json_string_value(json_object_get(ordered, "state"));
        char what[PLACE_MAX] = "";

        if (!json_is_object(ordered) || (strcmp(get_text(server, "server"), name) == 0 &&
                                         strcmp(get_text(server, "upstream"), upstream) == 0))
            continue;
        upstream = get_text(server, "upstream");
        name = get_text(server, "server");
        if (json_is_integer(weight))
            snprintf(what, sizeof(what), "%sweight %lld", state != NULL ? " and " : "",
                     (long long)json_integer_value(weight));
        text_append(what, sizeof(what), " by ");
        append_order_age(ordered, what, sizeof(what));
        fprintf(out, "* %s/%s differs from the configuration (%s%s)\n", upstream, name,
                state != NULL ? state : "", what);
    }
}

static void add_server(struct grid *grid, const json_t *server, bool indented) {
    char name[PLACE_MAX], state[PLACE_MAX], live[NUMBER_MAX], weight[NUMBER_MAX],
        failed[NUMBER_MAX];

    if (indented)
        snprintf(name, sizeof(name), "  %s", get_text(server, "server"));
    else
        snprintf(name, sizeof(name), "%s/%s", get_text(server, "upstream"),
                 get_text(server, "server"));
    format_state(server, state, sizeof(state));
    format_weight(server, weight);
    const char *cells[GRID_COLUMNS] = {
        name,   get_text(server, "address"),          get_number(server, "live", live),
        weight, get_number(server, "failed", failed), state};
    grid_add(grid, cells);
}

#define SERVER_GRID                                                                                \
    {                                                                                              \
        .heads = {"UPSTREAM/SERVER", "ADDRESS", "CONNS", "WEIGHT", "FAILED", "STATE"}, .right = {  \
            [2] = true,                                                                            \
            [3] = true,                                                                            \
            [4] = true                                                                             \
        }                                                                                          \
    }

static void add_upstream_head(struct grid *grid, const json_t *upstream) {
    char name[PLACE_MAX], all[NUMBER_MAX], up[NUMBER_MAX], state[PLACE_MAX];

    snprintf(name, sizeof(name), "%s  %s", get_text(upstream, "name"),
             get_text(upstream, "balance"));
    snprintf(state, sizeof(state), "%s of %s up", get_number(upstream, "up", up),
             get_number(upstream, "servers", all));
    grid_add(grid, (const char *[GRID_COLUMNS]){name, "", "", "", "", state});
}

static bool print_upstreams(const json_t *status, const json_t *servers, FILE *out) {
    struct grid grid = SERVER_GRID;
    const json_t *upstream, *server, *upstreams = json_object_get(status, "upstreams");
    size_t i, k;

    json_array_foreach(upstreams, i, upstream) {
        add_upstream_head(&grid, upstream);
        json_array_foreach(servers, k, server) if (strcmp(get_text(server, "upstream"),
                                                          get_text(upstream, "name")) == 0)
            add_server(&grid, server, true);
    }
    bool whole = finish_grid(&grid, out);
    print_deviations(servers, out);
    return whole && json_is_array(upstreams) && json_is_array(servers);
}

bool screen_status(const json_t *status, const json_t *servers, time_t now, FILE *out) {
    print_head(status, now, out);
    putc('\n', out);
    bool listeners = print_listeners(status, out);
    putc('\n', out);
    return print_upstreams(status, servers, out) && listeners;
}

bool screen_servers(const json_t *servers, FILE *out) {
    struct grid grid = SERVER_GRID;
    const json_t *server;
    size_t i;

    json_array_foreach(servers, i, server) add_server(&grid, server, false);
    bool whole = finish_grid(&grid, out);
    print_deviations(servers, out);
    return whole && json_is_array(servers);
}

static const char *get_span(const json_t *object, const char *name, char buf[NUMBER_MAX]) {
    return text_human_time(json_integer_value(json_object_get(object, name)), buf, NUMBER_MAX);
}

static const char *get_bytes(const json_t *object, const char *name, char buf[NUMBER_MAX]) {
    return text_human_bytes((uint64_t)json_integer_value(json_object_get(object, name)), buf,
                            NUMBER_MAX);
}

static void add_connection(struct grid *grid, const json_t *connection) {
    char id[NUMBER_MAX], age[NUMBER_MAX], idle[NUMBER_MAX], up[NUMBER_MAX], down[NUMBER_MAX],
        server[PLACE_MAX];

    snprintf(server, sizeof(server), "%s/%s", get_text(connection, "upstream"),
             get_text(connection, "server"));
    const char *cells[GRID_COLUMNS] = {
        get_number(connection, "id", id),      get_span(connection, "age_us", age),
        get_span(connection, "idle_us", idle), get_text(connection, "client"),
        get_text(connection, "listener"),      server,
        get_text(connection, "phase"),         get_bytes(connection, "up", up),
        get_bytes(connection, "down", down)};
    grid_add(grid, cells);
}

bool screen_connections(const json_t *connections, FILE *out) {
    struct grid grid = {
        .heads = {"ID", "AGE", "IDLE", "CLIENT", "LISTENER", "SERVER", "PHASE", "UP", "DOWN"},
        .right = {true, true, true, [7] = true, [8] = true}};
    const json_t *connection;
    size_t i;

    json_array_foreach(connections, i, connection) add_connection(&grid, connection);
    return finish_grid(&grid, out) && json_is_array(connections);
}

bool screen_ready(const json_t *ready, FILE *out) {
    const json_t *reason, *reasons = json_object_get(ready, "reasons");
    size_t i;

    if (json_is_true(json_object_get(ready, "ready")))
        fputs("ready\n", out);
    json_array_foreach(reasons, i, reason)
        fprintf(out, "not ready: %s\n", json_string_value(reason));
    return json_is_boolean(json_object_get(ready, "ready")) && json_is_array(reasons);
}
