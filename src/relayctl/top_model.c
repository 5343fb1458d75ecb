#include "relayctl/top_model.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/json_member.h"
#include "base/order.h"
#include "relayctl/answer.h"
#include "relayctl/explain.h"
#include "relayctl/stream.h"
#include "relayctl/top_table.h"

#define REFUSED_MOST 4096 /* clients that are counted */

struct seen {
    json_int_t id, up, down;
};

/* A list of the lines. */
static json_t *ask_events(const struct ask *ask) {
    struct buffer text;
    long status = 0;

    if (ask_page(ask, ASK_GET, "/events?follow=no", &text, &status) != EX_OK)
        return NULL;
    json_t *list = json_array();
    char *rest = text.bytes;
    for (char *line; status == 200 && (line = strsep(&rest, "\n")) != NULL;)
        if (line[0] != '\0')
            json_array_append_new(list, answer_read(line, strlen(line)));
    free(text.bytes);
    return list;
}

static int compare_seen(const void *a, const void *b) {
    return compare_numbers(((const struct seen *)a)->id, ((const struct seen *)b)->id);
}

/* In the order of their numbers; the caller frees it. NULL: no memory. */
static struct seen *list_seen(const json_t *connections) {
    size_t n = json_array_size(connections), i;
    struct seen *list = calloc(n + 1, sizeof(*list));
    const json_t *one;

    json_array_foreach(connections, i, one) if (list != NULL) list[i] = (struct seen){
        member_number(one, "id"), member_number(one, "up"), member_number(one, "down")};
    if (list != NULL)
        qsort(list, n, sizeof(*list), compare_seen);
    return list;
}

static void set_rates(json_t *connections, const json_t *before, usec_t span) {
    struct seen *list = list_seen(before);
    json_t *one;
    size_t i;

    json_array_foreach(connections, i, one) {
        const struct seen key = {.id = member_number(one, "id")};
        const struct seen *was =
            list != NULL ? bsearch(&key, list, json_array_size(before), sizeof(*list), compare_seen)
                         : NULL;
        double age = (double)member_number(one, "age_us"),
               over = (was != NULL || age <= 0 ? (double)span : age) / (double)USEC_PER_SEC;

        over = over > 0.05 ? over : 1;
        json_object_set_new(
            one, "up_rate",
            json_real((double)(member_number(one, "up") - (was != NULL ? was->up : 0)) / over));
        json_object_set_new(
            one, "down_rate",
            json_real((double)(member_number(one, "down") - (was != NULL ? was->down : 0)) / over));
    }
    free(list);
}

/* Not negative. */
static double member_rate(const json_t *object, const char *name) {
    double rate = json_number_value(json_object_get(object, name));

    return rate > 0 ? rate : 0;
}

static void note_past(struct top_model *model) {
    const json_t *listener;
    double refused = 0;
    size_t i, at = model->n_past++ % TOP_POINTS;

    json_array_foreach(json_object_get(model->status, "listeners"), i, listener) refused +=
        member_rate(listener, "refused_min");
    model->past[TOP_NEW][at] = member_rate(model->status, "rate");
    model->past[TOP_BYTES][at] =
        member_rate(model->status, "up_rate") + member_rate(model->status, "down_rate");
    model->past[TOP_REFUSED][at] = refused;
}

static void replace_answer(json_t **answer, json_t *new) {
    if (new == NULL)
        return;
    json_decref(*answer);
    *answer = new;
}

/* Of an end that failed. */
static void count_refusal(void *arg, const char *line) {
    struct top_model *model = arg;
    json_t *end = answer_read(line, strlen(line));
    const char *client = json_string_value(json_object_get(end, "client")),
               *code = json_string_value(json_object_get(end, "end"));
    char host[TOP_CELL];
    struct explanation means;

    if (model->refused == NULL)
        model->refused = json_object();
    if (client != NULL && code != NULL && explain_end(code, &means) && means.refused) {
        top_client_host(client, host);
        json_int_t before = member_number(model->refused, host);
        if (before > 0 || json_object_size(model->refused) < REFUSED_MOST)
            json_object_set_new(model->refused, host, json_integer(before + 1));
    }
    json_decref(end);
}

void top_refresh(struct top_model *model, const struct ask *ask) {
    json_t *status = ask_look(ask, "/status");
    usec_t now = clock_now();

    model->answers = status != NULL;
    if (!model->answers)
        return;
    replace_answer(&model->status, status);
    replace_answer(&model->servers, ask_look(ask, "/servers"));
    replace_answer(&model->events, ask_events(ask));
    json_t *connections = ask_look(ask, "/connections");
    set_rates(connections, model->connections, now - model->at);
    replace_answer(&model->connections, connections);
    model->at = now;
    note_past(model);
    if (model->ends == NULL)
        model->ends = stream_open(ask->socket, "/tail?failed=yes", count_refusal, model);
    top_wait(model, -1, 0);
}

json_t *top_ask_connection(const struct ask *ask, json_int_t id) {
    char path[64];

    snprintf(path, sizeof(path), "/connection?id=%lld", (long long)id);
    return ask_look(ask, path);
}

void top_complete(const struct ask *ask, json_t *connection) {
    if (json_object_get(connection, "held") != NULL)
        return;
    json_t *answer = top_ask_connection(ask, member_number(connection, "id")),
           *sockets = json_object_get(answer, "sockets"), *held = json_object_get(answer, "held");
    const json_t *client = json_object_get(json_object_get(sockets, "client"), "tcp"),
                 *server = json_object_get(json_object_get(sockets, "server"), "tcp");

    json_object_set_new(connection, "held",
                        json_string(json_is_true(held)    ? "yes"
                                    : json_is_false(held) ? "no"
                                                          : "-"));
    if (json_is_object(client) || json_is_object(server))
        json_object_set_new(connection, "retransmits",
                            json_integer(member_number(client, "retransmits") +
                                         member_number(server, "retransmits")));
    json_decref(answer);
}

void top_wait(struct top_model *model, int fd, int msec) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    if (model->ends == NULL) {
        (void)poll(&wait, 1, msec);
    } else if (!stream_pump(model->ends, fd, msec)) {
        stream_close(model->ends);
        model->ends = NULL; /* until the next look */
    }
}

void top_forget(struct top_model *model) {
    json_decref(model->status);
    json_decref(model->servers);
    json_decref(model->connections);
    json_decref(model->events);
    json_decref(model->refused);
    stream_close(model->ends);
}

size_t top_past(const struct top_model *model, enum top_picture picture,
                double ret_values[TOP_POINTS]) {
    size_t n = model->n_past < TOP_POINTS ? model->n_past : TOP_POINTS;

    for (size_t i = 0; i < n; i++)
        ret_values[i] = model->past[picture][(model->n_past - n + i) % TOP_POINTS];
    return n;
}

json_int_t top_act(const struct ask *ask, const char *page, char *const words[], size_t n,
                   char *ret_said, size_t size) {
    json_int_t connections = 0;
    char *path = ask_path(page, words, n);
    struct buffer text = {0};
    long status = 0;

    snprintf(ret_said, size, "relayd does not answer.");
    if (path != NULL && ask_page(ask, ASK_POST, path, &text, &status) == EX_OK) {
        json_t *json = answer_read(text.bytes, text.n);
        const char *done = json_string_value(json_object_get(json, "done")),
                   *error = json_string_value(json_object_get(json, "error"));

        snprintf(ret_said, size, "%s%s.", error != NULL ? "Refused: " : "",
                 error != NULL  ? error
                 : done != NULL ? done
                                : "Done");
        connections = member_number(json, "connections");
        json_decref(json);
    }
    free(text.bytes);
    free(path);
    return connections;
}
