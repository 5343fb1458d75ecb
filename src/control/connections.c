#include "control/connections.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "conn/exchange.h"
#include "conn/sweep.h"
#include "wire/tls_suite.h"

struct conn_list {
    struct filter filter;
    struct buffer out;
    struct glimpse *coming; /* not yet established when it was looked, by number */
    size_t n_coming;
};

#define REQUEST_SHOWN 512 /* bytes of a request, with NUL */
#define COMING_MORE   256 /* that may come between the count and the look */

static int compare_numbers(const void *a, const void *b) {
    const struct glimpse *one = a, *other = b;

    return (one->number > other->number) - (one->number < other->number);
}

/* In the order in which connections go on: none is missed. One that goes on meanwhile is found
 * twice, and stays as it was found first. */
static bool look_at_coming(struct road *road, struct conn_list *list) {
    size_t room = openings_count_glimpses(&road->openings) + queue_count_glimpses(&road->queue) +
                  COMING_MORE,
           n, unique = 0;

    list->coming = calloc(room, sizeof(*list->coming));
    if (list->coming == NULL)
        return false;
    n = openings_glimpse(&road->openings, list->coming, room);
    n += queue_glimpse(&road->queue, list->coming + n, room - n);
    qsort(list->coming, n, sizeof(*list->coming), compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || list->coming[unique - 1].number != list->coming[i].number)
            list->coming[unique++] = list->coming[i];
    list->n_coming = unique;
    return true;
}

static bool is_coming(const struct conn_list *list, uint64_t number) {
    const struct glimpse wanted = {.number = number};

    return list->n_coming > 0 && bsearch(&wanted, list->coming, list->n_coming,
                                         sizeof(*list->coming), compare_numbers) != NULL;
}

const char *connections_phase(struct conn *conn) {
    lock_acquire(&conn->registry->lock);
    bool lingers = conn->state->lingering || conn->state->aborted || conn->fd[SIDE_SERVER] < 0;
    lock_release(&conn->registry->lock);
    bool idle = atomic_load(&conn->wait.end) == END_KEEPALIVE;
    return lingers ? "linger" : idle ? "idle" : "relay";
}

/* head: what stands before the text, to its quotation mark. */
static void write_text(struct buffer *out, const char *head, const char *text) {
    buffer_add_text(out, head);
    buffer_add_json(out, text);
}

/* head: to its colon. "": null. */
static void write_text_or_null(struct buffer *out, const char *head, const char *text) {
    buffer_add_text(out, head);
    if (text[0] == '\0') {
        buffer_add_text(out, "null");
        return;
    }
    write_text(out, "\"", text);
    buffer_add_text(out, "\"");
}

static void write_count(struct buffer *out, const char *head, uint64_t n) {
    buffer_add_text(out, head);
    buffer_add_number(out, n);
}

/* What is written of a connection. */
struct shown {
    uint64_t number;
    const struct addr *client, *address;
    const char *listener, *upstream, *server, *phase;
    const char *tls;             /* the version; "": plain, or not yet */
    const char *request;         /* that is under way; "": none */
    const struct bearer *bearer; /* NULL: none, or not yet */
    usec_t age, idle;
    uint64_t up, down;
};

static bool takes_bearer(const struct filter *filter, const struct bearer *bearer) {
    char fingerprint[BEARER_FINGERPRINT_TEXT];

    if (filter->tls_client[0] == '\0')
        return true;
    return bearer != NULL && filter_takes_bearer(filter, bearer->subject,
                                                 bearer_say_fingerprint(bearer, fingerprint));
}

static bool takes_with_server(const struct filter *filter, const struct conn *conn,
                              const struct conn_server *server) {
    const struct record *record = &conn->state->record;

    return takes_bearer(filter, conn->bearer) &&
           filter_takes(filter, record->listener, server->upstream, server->server,
                        &record->client) &&
           filter_takes_live(filter, record->number, clock_now() - record->accepted,
                             atomic_load(&conn->state->flow[DIR_UP].bytes) +
                                 atomic_load(&conn->state->flow[DIR_DOWN].bytes));
}

bool connections_takes(const struct filter *filter, const struct conn *conn) {
    struct conn_server server;

    conn_say_server(conn, &server);
    return takes_with_server(filter, conn, &server);
}

/* Written without jansson or stdio: there may be many, and they would take most of the time. */
static void write_shown(struct buffer *out, const struct shown *shown) {
    char addr[ADDR_TEXT_MAX];

    write_count(out, out->n > 1 ? ",{\"id\":" : "{\"id\":", shown->number);
    write_text(out, ",\"client\":\"", addr_format(shown->client, addr, sizeof(addr)));
    write_text(out, "\",\"listener\":\"", shown->listener);
    write_text(out, "\",\"upstream\":\"", shown->upstream);
    write_text(out, "\",\"server\":\"", shown->server);
    write_text(out, "\",\"address\":\"",
               shown->address != NULL ? addr_format(shown->address, addr, sizeof(addr)) : "");
    write_count(out, "\",\"age_us\":", (uint64_t)usec_later(shown->age, 0));
    write_count(out, ",\"idle_us\":", (uint64_t)usec_later(shown->idle, 0));
    write_count(out, ",\"up\":", shown->up);
    write_count(out, ",\"down\":", shown->down);
    write_text(out, ",\"phase\":\"", shown->phase);
    buffer_add_text(out, "\"");
    write_text_or_null(out, ",\"tls\":", shown->tls);
    write_text_or_null(out, ",\"request\":", shown->request);
    if (shown->bearer != NULL) {
        char fingerprint[BEARER_FINGERPRINT_TEXT];

        write_text(out, ",\"tls_client\":\"", shown->bearer->subject);
        write_text(out, "\",\"tls_client_fingerprint\":\"",
                   bearer_say_fingerprint(shown->bearer, fingerprint));
        buffer_add_text(out, "\"");
    }
    buffer_add_text(out, "}");
}

static void write_conn(void *arg, struct conn *conn) {
    struct conn_list *list = arg;
    const struct record *record = &conn->state->record;
    const struct flow *up = &conn->state->flow[DIR_UP], *down = &conn->state->flow[DIR_DOWN];
    struct conn_server server;

    conn_say_server(conn, &server); /* once: what is shown is what the filter took */
    if (!takes_with_server(&list->filter, conn, &server) || is_coming(list, record->number))
        return;
    char request[REQUEST_SHOWN] = "";
    usec_t now = clock_now(),
           active = usec_later(usec_later(atomic_load(&up->active), atomic_load(&down->active)),
                               record->accepted);
    if (conn->exchange != NULL)
        exchange_say_request(conn->exchange, request, sizeof(request));
    const struct shown shown = {.number = record->number,
                                .client = &record->client,
                                .address = &server.address,
                                .listener = record->listener,
                                .upstream = server.upstream,
                                .server = server.server,
                                .tls = tls_version_name(record->tls_version),
                                .request = request,
                                .bearer = conn->bearer,
                                .phase = connections_phase(conn),
                                .age = now - record->accepted,
                                .idle = now - active,
                                .up = atomic_load(&up->bytes),
                                .down = atomic_load(&down->bytes)};
    write_shown(&list->out, &shown);
}

static void write_coming(struct conn_list *list) {
    usec_t now = clock_now();

    for (size_t i = 0; i < list->n_coming; i++) {
        const struct glimpse *glimpse = &list->coming[i];
        const struct shown shown = {.number = glimpse->number,
                                    .client = &glimpse->client,
                                    .listener = glimpse->listener,
                                    .upstream = glimpse->upstream,
                                    .server = "",
                                    .tls = "",
                                    .request = "",
                                    .phase = glimpse->phase,
                                    .age = now - glimpse->accepted,
                                    .idle = now - glimpse->accepted};

        if (takes_bearer(&list->filter, NULL) &&
            filter_takes(&list->filter, glimpse->listener, glimpse->upstream, "",
                         &glimpse->client) &&
            filter_takes_live(&list->filter, glimpse->number, shown.age, 0))
            write_shown(&list->out, &shown);
    }
}

static struct reply write_list(struct road *road, struct conn_list *list) {
    struct buffer *out = &list->out;

    if (look_at_coming(road, list)) {
        buffer_add_text(out, "[");
        sweep_visit(&road->registry, write_conn, list);
        write_coming(list);
        buffer_add_text(out, "]\n");
    }
    if (out->failed)
        buffer_free(out);
    free(list->coming);
    return (struct reply){.status = 200, .type = "application/json", .body = out->bytes};
}

struct reply connections_reply(const struct question *question) {
    struct conn_list list = {.n_coming = 0};
    char why[FILTER_WHY_MAX];

    if (!filter_read(&list.filter, question->argument, question->arg, why))
        return reply_error(400, why);
    return write_list(&question->relay->road, &list);
}
