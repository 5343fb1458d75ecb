#include "relayctl/top_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/json_member.h"
#include "base/text.h"

#define CLIENT_REFUSED 6 /* the column */

const char *const top_tab_names[TOP_TABS] = {"servers", "connections", "clients", "events"};

static const struct top_column server_columns[] = {{"UPSTREAM/SERVER", 18, 0, false},
                                                   {"ADDRESS", 21, 2, false},
                                                   {"STATE", 12, 0, false},
                                                   {"CONNS", 6, 0, true},
                                                   {"WEIGHT", 6, 4, true},
                                                   {"NEW/s", 6, 1, true},
                                                   {"p50", 8, 3, true},
                                                   {"p99", 8, 3, true},
                                                   {"FAIL/min", 8, 1, true},
                                                   {"WHY", 0, 0, false}};
static const struct top_column connection_columns[] = {
    {"ID", 8, 0, true},       {"AGE", 8, 3, true},       {"IDLE", 8, 4, true},
    {"CLIENT", 22, 0, false}, {"LISTENER", 9, 5, false}, {"SERVER", 14, 0, false},
    {"PHASE", 8, 2, false},   {"UP/s", 9, 1, true},      {"DOWN/s", 9, 0, true},
    {"UP", 9, 4, true},       {"DOWN", 9, 3, true},      {"RETRANS", 7, 6, true},
    {"HELD", 4, 6, false}};
static const struct top_column client_columns[] = {
    {"CLIENT", 30, 0, false}, {"CONNS", 6, 0, true}, {"UP/s", 10, 0, true},
    {"DOWN/s", 10, 0, true},  {"UP", 10, 1, true},   {"DOWN", 10, 1, true},
    {"REFUSED", 8, 0, true}};
static const struct top_column event_columns[] = {
    {"TIME (UTC)", 10, 0, false}, {"LEVEL", 8, 1, false}, {"MESSAGE", 0, 0, false}};

static const struct {
    const struct top_column *columns;
    size_t n, sort;
} tabs[TOP_TABS] = {
    [TOP_SERVERS] = {server_columns, ARRAY_LEN(server_columns), SIZE_MAX},
    [TOP_CONNECTIONS] = {connection_columns, ARRAY_LEN(connection_columns), 8},
    [TOP_CLIENTS] = {client_columns, ARRAY_LEN(client_columns), 3},
    [TOP_EVENTS] = {event_columns, ARRAY_LEN(event_columns), SIZE_MAX},
};

void top_view_init(struct top_view *view) {
    *view = (struct top_view){.tab = TOP_SERVERS};
    for (size_t i = 0; i < TOP_TABS; i++)
        view->sort[i] = tabs[i].sort;
}

/* NULL: no memory. */
static struct top_row *add_top_row(struct top_table *table, const json_t *of) {
    void *rows = grow_list(table->rows, table->n, &table->room, sizeof(*table->rows));

    if (rows == NULL)
        return NULL;
    table->rows = rows;
    struct top_row *row = &table->rows[table->n++];
    memset(row, 0, sizeof(*row));
    row->of = of;
    return row;
}

static void set_cell(struct top_row *row, size_t column, const char *text) {
    snprintf(row->cells[column], TOP_CELL, "%s", text);
}

/* null is "-". */
static void set_number(struct top_row *row, size_t column, const json_t *value) {
    double number = json_number_value(value);

    row->keys[column] = json_is_number(value) ? number : -1;
    if (!json_is_number(value))
        set_cell(row, column, "-");
    else
        snprintf(row->cells[column], TOP_CELL, "%.*f",
                 json_is_real(value) && number > 0 && number < 10 ? 1 : 0, number);
}

/* 1, not 1.0; of a server that starts, 0.4. */
static void set_weight(struct top_row *row, size_t column, const json_t *value) {
    set_number(row, column, value);
    if (json_is_number(value))
        snprintf(row->cells[column], TOP_CELL, "%.4g", json_number_value(value));
}

static void set_span(struct top_row *row, size_t column, const json_t *value) {
    row->keys[column] = json_is_number(value) ? json_number_value(value) : -1;
    if (json_is_number(value))
        text_human_time((usec_t)json_number_value(value), row->cells[column], TOP_CELL);
    else
        set_cell(row, column, "-");
}

static void set_bytes(struct top_row *row, size_t column, double value) {
    row->keys[column] = value;
    text_human_bytes(value > 0 ? (uint64_t)value : 0, row->cells[column], TOP_CELL);
}

static void fill_server(struct top_row *row, const json_t *server) {
    const char *state = member_text(server, "state", "");
    bool down = strcmp(state, "down") == 0, alone = strcmp(state, "left_alone") == 0;

    snprintf(row->cells[0], TOP_CELL, "%.30s/%.30s", member_text(server, "upstream", ""),
             member_text(server, "server", ""));
    set_cell(row, 1, member_text(server, "address", ""));
    set_cell(row, 2, down ? "DOWN" : alone ? "left alone" : state);
    set_number(row, 3, json_object_get(server, "live"));
    set_weight(row, 4, json_object_get(server, "weight"));
    set_number(row, 5, json_object_get(server, "rate"));
    set_span(row, 6, json_object_get(server, "connect_p50_us"));
    set_span(row, 7, json_object_get(server, "connect_p99_us"));
    set_number(row, 8, json_object_get(server, "failed_min"));
    row->wide = member_text(server, "reason", "");
    row->tint = down                       ? TINT_BAD
                : strcmp(state, "up") == 0 ? TINT_GOOD
                : alone || state[0] == 's' ? TINT_WARN
                                           : TINT_AWAY;
}

static void fill_connection(struct top_row *row, const json_t *connection) {
    const char *server = member_text(connection, "server", "");

    set_number(row, 0, json_object_get(connection, "id"));
    set_span(row, 1, json_object_get(connection, "age_us"));
    set_span(row, 2, json_object_get(connection, "idle_us"));
    set_cell(row, 3, member_text(connection, "client", ""));
    set_cell(row, 4, member_text(connection, "listener", ""));
    snprintf(row->cells[5], TOP_CELL, "%.30s%s%.30s", member_text(connection, "upstream", ""),
             server[0] != '\0' ? "/" : "", server);
    set_cell(row, 6, member_text(connection, "phase", ""));
    set_bytes(row, 7, json_number_value(json_object_get(connection, "up_rate")));
    set_bytes(row, 8, json_number_value(json_object_get(connection, "down_rate")));
    set_bytes(row, 9, json_number_value(json_object_get(connection, "up")));
    set_bytes(row, 10, json_number_value(json_object_get(connection, "down")));
    set_number(row, 11, json_object_get(connection, "retransmits"));
    set_cell(row, 12, member_text(connection, "held", ""));
}

static void fill_event(struct top_row *row, const json_t *event) {
    const char *level = member_text(event, "level", ""), *time = member_text(event, "time", "");

    snprintf(row->cells[0], TOP_CELL, "%.8s", strlen(time) > 11 ? time + 11 : "");
    set_cell(row, 1, level);
    row->wide = member_text(event, "message", "");
    row->tint = strcmp(level, "error") == 0     ? TINT_BAD
                : strcmp(level, "warning") == 0 ? TINT_WARN
                                                : TINT_NONE;
}

void top_client_host(const char *client, char host[TOP_CELL]) {
    const char *colon = strrchr(client, ':');
    size_t n = colon != NULL && strncmp(client, "unix:", 5) != 0 ? (size_t)(colon - client)
                                                                 : strlen(client);

    snprintf(host, TOP_CELL, "%.*s", (int)(n < TOP_CELL ? n : TOP_CELL - 1), client);
}

static int compare_client_hosts(const void *a, const void *b) {
    return strcmp(((const struct top_row *)a)->cells[0], ((const struct top_row *)b)->cells[0]);
}

/* One row for each connection, sorted, then those of one client summed up. */
static void sum_clients(struct top_table *table) {
    size_t n = 0;

    qsort(table->rows, table->n, sizeof(*table->rows), compare_client_hosts);
    for (size_t i = 0; i < table->n; i++) {
        if (n > 0 && compare_client_hosts(&table->rows[n - 1], &table->rows[i]) == 0)
            for (size_t k = 1; k < ARRAY_LEN(client_columns); k++)
                table->rows[n - 1].keys[k] += table->rows[i].keys[k];
        else
            table->rows[n++] = table->rows[i];
    }
    table->n = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(table->rows[i].cells[1], TOP_CELL, "%.0f", table->rows[i].keys[1]);
        snprintf(table->rows[i].cells[CLIENT_REFUSED], TOP_CELL, "%.0f",
                 table->rows[i].keys[CLIENT_REFUSED]);
        for (size_t k = 2; k < CLIENT_REFUSED; k++)
            set_bytes(&table->rows[i], k, table->rows[i].keys[k]);
    }
}

/* Those that were refused, whether they have connections or not. */
static void add_refused(struct top_table *table, const struct top_model *model) {
    const char *host;
    json_t *count;

    json_object_foreach(model->refused, host, count) {
        struct top_row *row = add_top_row(table, NULL);

        if (row == NULL)
            return;
        set_cell(row, 0, host);
        row->keys[CLIENT_REFUSED] = json_number_value(count);
    }
}

static void fill_client(struct top_row *row, const json_t *connection) {
    static const char *const sums[] = {"up_rate", "down_rate", "up", "down"};

    top_client_host(member_text(connection, "client", ""), row->cells[0]);
    row->keys[1] = 1;
    for (size_t i = 0; i < ARRAY_LEN(sums); i++)
        row->keys[2 + i] = json_number_value(json_object_get(connection, sums[i]));
    row->of = NULL;
}

bool top_row_has(const struct top_table *table, const struct top_row *row, const char *text) {
    for (size_t i = 0; i < table->n_columns; i++)
        if (strcasestr(row->cells[i], text) != NULL)
            return true;
    return row->wide != NULL && strcasestr(row->wide, text) != NULL;
}

struct row_order {
    size_t column;
    bool right, inverted;
};

/* Numbers: the greatest first. */
static int compare_top_rows(const void *a, const void *b, void *arg) {
    const struct top_row *x = a, *y = b;
    const struct row_order *order = arg;
    double p = x->keys[order->column], q = y->keys[order->column];
    int r =
        order->right ? (p < q) - (p > q) : strcmp(x->cells[order->column], y->cells[order->column]);

    return order->inverted ? -r : r;
}

static void reverse_rows(struct top_table *table) {
    for (size_t i = 0; i < table->n / 2; i++) {
        struct top_row row = table->rows[i];

        table->rows[i] = table->rows[table->n - 1 - i];
        table->rows[table->n - 1 - i] = row;
    }
}

static void sort_rows(struct top_table *table, const struct top_view *view) {
    size_t column = view->sort[view->tab];
    bool inverted = view->inverted[view->tab];

    if (column < table->n_columns) {
        struct row_order order = {column, table->columns[column].right, inverted};

        qsort_r(table->rows, table->n, sizeof(*table->rows), compare_top_rows, &order);
    } else if (inverted != (view->tab == TOP_EVENTS)) { /* the last event first */
        reverse_rows(table);
    }
}

static void drop_filtered(struct top_table *table, const char *filter) {
    size_t n = 0;

    for (size_t i = 0; i < table->n; i++)
        if (top_row_has(table, &table->rows[i], filter))
            table->rows[n++] = table->rows[i];
    table->n = n;
}

void top_table_make(struct top_table *table, const struct top_model *model,
                    const struct top_view *view) {
    static void (*const fills[TOP_TABS])(struct top_row * row, const json_t *of) = {
        fill_server, fill_connection, fill_client, fill_event};
    const json_t *list = view->tab == TOP_SERVERS  ? model->servers
                         : view->tab == TOP_EVENTS ? model->events
                                                   : model->connections,
                 *one;
    size_t i;

    table->columns = tabs[view->tab].columns;
    table->n_columns = tabs[view->tab].n;
    table->n = 0;
    json_array_foreach(list, i, one) {
        struct top_row *row = add_top_row(table, one);

        if (row == NULL)
            break;
        row->at = i;
        fills[view->tab](row, one);
    }
    if (view->tab == TOP_CLIENTS)
        add_refused(table, model);
    if (view->tab == TOP_CLIENTS && table->n > 0)
        sum_clients(table);
    if (view->filter[0] != '\0')
        drop_filtered(table, view->filter);
    if (table->n > 0)
        sort_rows(table, view);
}

void top_table_free(struct top_table *table) {
    free(table->rows);
    *table = (struct top_table){.n = 0};
}
