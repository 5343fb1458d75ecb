#include "control/connections.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "conn/conn.h"
#include "conn/sweep.h"
#include "control/filter.h"

struct conn_list {
    struct filter filter;
    FILE *out;
    size_t n; /* that were found */
};

/* A refused client that reads why lingers, too. */
static bool is_lingering(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool lingers = conn->state->lingering || conn->state->aborted || conn->fd[SIDE_SERVER] < 0;
    lock_release(&conn->registry->lock);
    return lingers;
}

static void write_text(FILE *out, const char *name, const char *text) {
    char escaped[ESCAPE_JSON_MAX * ADDR_TEXT_MAX];

    fprintf(out, "\"%s\":\"%s\",", name, escape_json(text, escaped, sizeof(escaped)));
}

/* Written without jansson: there may be many, and it would take most of the time. */
static void write_conn(void *arg, struct conn *conn) {
    struct conn_list *list = arg;
    const struct record *record = &conn->state->record;
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    char client[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

    if (!filter_takes(&list->filter, record->listener, record->upstream, record->server,
                      &record->client))
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
    filter_clear(&list->filter);
    return reply;
}

struct reply connections_reply(const struct question *question) {
    struct conn_list list = {.n = 0};
    char why[FILTER_WHY_MAX];

    if (!filter_read(&list.filter, question->argument, question->arg, why))
        return reply_error(400, why);
    return write_list(&question->relay->road.registry, &list);
}
