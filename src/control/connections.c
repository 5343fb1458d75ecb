#include "control/connections.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "conn/conn.h"
#include "conn/sweep.h"

/* What is looked for; NULL: whichever. */
struct conn_filter {
    const char *listener, *server;
    struct prefix_set *client; /* of one prefix */
    json_t *list;              /* of those that are found */
};

static bool is_server(const struct record *record, const char *wanted) {
    char name[2 * CONFIG_NAME_MAX];

    snprintf(name, sizeof(name), "%s/%s", record->upstream, record->server);
    return strcmp(record->server, wanted) == 0 || strcmp(name, wanted) == 0;
}

static bool is_looked_for(const struct conn_filter *filter, const struct record *record) {
    return (filter->listener == NULL || strcmp(record->listener, filter->listener) == 0) &&
           (filter->server == NULL || is_server(record, filter->server)) &&
           (filter->client == NULL || prefix_set_find(filter->client, &record->client) >= 0);
}

/* A refused client that reads why lingers, too. */
static bool is_lingering(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool lingers = conn->state->lingering || conn->state->aborted || conn->fd[SIDE_SERVER] < 0;
    lock_release(&conn->registry->lock);
    return lingers;
}

static void list_conn(void *arg, struct conn *conn) {
    const struct conn_filter *filter = arg;
    const struct record *record = &conn->state->record;
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    char client[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

    if (!is_looked_for(filter, record))
        return;
    usec_t now = clock_now(),
           active = usec_later(atomic_load(&up->active),
                               usec_later(atomic_load(&down->active), record->accepted));
    addr_format(&record->client, client, sizeof(client));
    addr_format(&record->server_addr, address, sizeof(address));
    json_array_append_new(
        filter->list,
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:n, s:n}", "id",
                  (json_int_t)record->number, "client", client, "listener", record->listener,
                  "upstream", record->upstream, "server", record->server, "address", address,
                  "age_us", (json_int_t)(now - record->accepted), "idle_us",
                  (json_int_t)usec_later(now - active, 0), "up",
                  (json_int_t)atomic_load(&up->bytes), "down",
                  (json_int_t)atomic_load(&down->bytes), "phase",
                  is_lingering(conn) ? "linger" : "relay", "tls", "request"));
}

/* False: *ret_why is a clause, or NULL: no memory. */
static bool read_client(const char *text, struct prefix_set **ret_client, const char **ret_why) {
    struct prefix prefix;

    *ret_why = NULL;
    if (!prefix_parse(text, &prefix, ret_why))
        return false;
    struct prefix_set *set = prefix_set_new();
    if (set != NULL && prefix_set_add(set, &prefix, 0)) {
        *ret_client = set;
        return true;
    }
    prefix_set_free(set);
    return false;
}

struct reply connections_reply(const struct question *question) {
    const char *client = question->filter(question->arg, "client"), *why = NULL;
    struct conn_filter filter = {.listener = question->filter(question->arg, "listener"),
                                 .server = question->filter(question->arg, "server")};

    if (client != NULL && !read_client(client, &filter.client, &why)) {
        char sentence[256];

        snprintf(sentence, sizeof(sentence),
                 "client=%.64s: must be an address or a prefix, as 192.0.2.0/24: %s", client,
                 why != NULL ? why : "there is no memory");
        return reply_error(400, sentence);
    }
    filter.list = json_array();
    sweep_visit(&question->relay->road.registry, list_conn, &filter);
    prefix_set_free(filter.client);
    return reply_json(200, filter.list);
}
