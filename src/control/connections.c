#include "control/connections.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "conn/sweep.h"

struct conn_list {
    /* What is looked for; NULL: whichever. */
    const char *listener, *server;
    struct prefix_set *client; /* of one prefix */
    FILE *out;
    size_t n; /* that were found */
};

static bool is_server(const struct record *record, const char *wanted) {
    char name[2 * CONFIG_NAME_MAX];

    snprintf(name, sizeof(name), "%s/%s", record->upstream, record->server);
    return strcmp(record->server, wanted) == 0 || strcmp(name, wanted) == 0;
}

static bool is_looked_for(const struct conn_list *list, const struct record *record) {
    return (list->listener == NULL || strcmp(record->listener, list->listener) == 0) &&
           (list->server == NULL || is_server(record, list->server)) &&
           (list->client == NULL || prefix_set_find(list->client, &record->client) >= 0);
}

/* A refused client that reads why lingers, too. */
static bool is_lingering(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool lingers = conn->state->lingering || conn->state->aborted || conn->fd[SIDE_SERVER] < 0;
    lock_release(&conn->registry->lock);
    return lingers;
}

/* Names are letters, digits and marks (conf); an address has been escaped by addr_format, but for
 * what JSON means something by. */
static void write_text(FILE *out, const char *name, const char *text) {
    fprintf(out, "\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    fputs("\",", out);
}

/* Written without jansson: there may be many, and it would take most of the time. */
static void write_conn(void *arg, struct conn *conn) {
    struct conn_list *list = arg;
    const struct record *record = &conn->state->record;
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    char client[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

    if (!is_looked_for(list, record))
        return;
    usec_t now = clock_now(),
           active = usec_later(usec_later(atomic_load(&up->active), atomic_load(&down->active)),
                               record->accepted);
    fprintf(list->out, "%s{\"id\":%llu,", list->n++ > 0 ? "," : "",
            (unsigned long long)record->number);
    write_text(list->out, "client", addr_format(&record->client, client, sizeof(client)));
    write_text(list->out, "listener", record->listener);
    write_text(list->out, "upstream", record->upstream);
    write_text(list->out, "server", record->server);
    write_text(list->out, "address", addr_format(&record->server_addr, address, sizeof(address)));
    fprintf(list->out,
            "\"age_us\":%lld,\"idle_us\":%lld,\"up\":%llu,\"down\":%llu,\"phase\":\"%s\","
            "\"tls\":null,\"request\":null}",
            (long long)(now - record->accepted), (long long)usec_later(now - active, 0),
            (unsigned long long)atomic_load(&up->bytes),
            (unsigned long long)atomic_load(&down->bytes), is_lingering(conn) ? "linger" : "relay");
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

/* Takes the list's filter. */
static struct reply write_list(struct registry *registry, struct conn_list *list) {
    struct reply reply = {.status = 200, .type = "application/json"};
    size_t n = 0;

    list->out = open_memstream(&reply.body, &n);
    if (list->out != NULL) {
        putc('[', list->out);
        sweep_visit(registry, write_conn, list);
        fputs("]\n", list->out);
        bool failed = ferror(list->out);
        if (fclose(list->out) != 0 || failed) {
            free(reply.body);
            reply.body = NULL;
        }
    }
    prefix_set_free(list->client);
    return reply;
}

struct reply connections_reply(const struct question *question) {
    const char *client = question->argument(question->arg, "client"), *why = NULL;
    struct conn_list list = {.listener = question->argument(question->arg, "listener"),
                             .server = question->argument(question->arg, "server")};

    if (client == NULL || read_client(client, &list.client, &why))
        return write_list(&question->relay->road.registry, &list);
    char sentence[256];
    snprintf(sentence, sizeof(sentence),
             "client=%.64s: must be an address or a prefix, as 192.0.2.0/24: %s", client,
             why != NULL ? why : "there is no memory");
    return reply_error(400, sentence);
}
