/* bounded: a client costs at most one of so many (visitors.h), MEMORY_MOST bytes for its request,
 * and SILENCE_MOST seconds of silence. A request with a body is refused. */
#include "control/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "control/blocks.h"
#include "control/certificates.h"
#include "control/connection.h"
#include "control/connections.h"
#include "control/explain.h"
#include "control/gauges.h"
#include "control/kill.h"
#include "control/live.h"
#include "control/page.h"
#include "control/servers.h"
#include "control/status.h"
#include "control/steer.h"

#define PER_CLIENT_MOST 16u /* of an open place */
#define MEMORY_MOST     ((size_t)16384)
#define SILENCE_MOST    10u /* seconds */
#define GROUPS_ROOM     1024

static const struct page {
    const char *path;
    bool acts; /* by POST; else it looks, by GET or HEAD */
    bool open; /* for all (http_place.open) */
    struct reply (*reply)(const struct question *question);
    const char *arguments[13]; /* that may follow ?; up to NULL */
    int errand;                /* enum errand_kind, plus 1: instead of a reply */
} pages[] = {
    {"/status", false, false, status_reply, {NULL}},
    {"/servers", false, false, servers_reply, {NULL}},
    {"/connections",
     false,
     false,
     connections_reply,
     {"listener", "server", "client", "id", "age", "rate", "tls_client", NULL}},
    {"/connection", false, false, connection_reply, {"id", NULL}},
    {"/tail",
     false,
     false,
     tail_reply,
     {"listener", "server", "client", "end", "failed", "tls_client", "of", "status", "method",
      "host", "path", "route", NULL}},
    {"/explain", false, false, explain_reply, {"client", "listener", "name", NULL}},
    {"/events", false, false, events_reply, {"follow", NULL}},
    {"/", false, true, page_reply, {NULL}},
    {"/status.json", false, true, page_json_reply, {NULL}},
    {"/metrics", false, true, gauges_reply, {NULL}},
    {"/ready", false, true, ready_reply, {NULL}},
    {"/drain", true, false, drain_reply, {"server", NULL}},
    {"/down", true, false, down_reply, {"server", NULL}},
    {"/ready", true, false, lift_reply, {"server", NULL}},
    {"/weight", true, false, weight_reply, {"server", "weight", NULL}},
    {"/kill",
     true,
     false,
     kill_reply,
     {"listener", "server", "client", "id", "age", "rate", "tls_client", "all", NULL}},
    {"/drain-client",
     true,
     false,
     drain_client_reply,
     {"listener", "server", "client", "id", "age", "rate", "tls_client", "all", NULL}},
    {"/certificates.json", false, false, certificates_reply, {NULL}},
    {"/blocks", false, false, blocks_reply, {NULL}},
    {"/block", true, false, block_reply, {"prefix", "for", "all", NULL}},
    {"/unblock", true, false, unblock_reply, {"prefix", NULL}},
    {"/lame-duck", true, false, lame_reply, {"off", NULL}},
    {"/reload", true, false, NULL, {NULL}, ERRAND_RELOAD + 1},
    {"/check", true, false, NULL, {"server", NULL}, ERRAND_CHECK + 1},
    {"/reset", true, false, reset_reply, {"server", NULL}},
};

/* Root, relayd's user, members of its group: the file's permissions say the same, unless somebody
 * has changed them. */
static bool may_ask(int fd, struct ucred *ret_asker) {
    gid_t groups[GROUPS_ROOM];
    socklen_t n = sizeof(groups);
    socklen_t len = sizeof(*ret_asker);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_asker, &len) < 0)
        return false;
    if (ret_asker->uid == 0 || ret_asker->uid == geteuid() || ret_asker->gid == getegid())
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
        return false;
    for (size_t i = 0; i < n / sizeof(gid_t); i++)
        if (groups[i] == getegid())
            return true;
    return false;
}

static const char *get_argument(void *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

struct argument_check {
    const struct page *page;
    char wrong[64]; /* the first that the page does not know; "": none */
};

/* An MHD_KeyValueIterator. */
static enum MHD_Result check_argument(void *arg, enum MHD_ValueKind kind, const char *name,
                                      const char *value) {
    struct argument_check *check = arg;

    (void)kind;
    for (const char *const *known = check->page->arguments; *known != NULL; known++)
        if (strcmp(name, *known) == 0 && value != NULL)
            return MHD_YES;
    check->wrong[0] = '\0';
    text_append(check->wrong, sizeof(check->wrong), "%s", name[0] != '\0' ? name : "?");
    return MHD_NO;
}

static struct reply refuse_argument(const struct argument_check *check) {
    char sentence[256];

    snprintf(sentence, sizeof(sentence), "%s has no argument %s", check->page->path, check->wrong);
    for (const char *const *known = check->page->arguments; *known != NULL; known++)
        text_append(sentence, sizeof(sentence),
                    "%s%s=", known == check->page->arguments ? "; it has " : ", ", *known);
    return reply_error(400, sentence);
}

/* POST /check of a server. */
static struct reply answer_probe(struct http_place *place, const struct question *question,
                                 struct MHD_Connection *connection) {
    struct reply refusal;
    struct probe *probe = probe_begin(question, &refusal);

    return probe != NULL ? waiter_begin_probe(&place->waiters, connection, probe) : refusal;
}

static struct reply answer_page(struct http_place *place, const struct page *page,
                                const struct ucred *asker, struct MHD_Connection *connection) {
    struct question question = {
        .asker = *asker,
        .accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
        .clients = !place->open || atomic_load(&place->clients),
        .argument = get_argument,
        .arg = connection};
    struct argument_check check = {.page = page};

    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, check_argument, &check);
    if (check.wrong[0] != '\0')
        return refuse_argument(&check);
    bool probes = page->errand > 0 && get_argument(connection, "server") != NULL;
    if (page->errand > 0 && !probes) {
        steer_log(&question, NULL, NULL,
                  page->errand - 1 == ERRAND_RELOAD ? "A reload" : "A check of the configuration");
        return waiter_begin(&place->waiters, connection, (enum errand_kind)(page->errand - 1));
    }
    vitals_begin(&place->vitals, &question);
    struct reply reply = question.generation == NULL ? reply_error(503, "relayd is starting")
                         : probes                    ? answer_probe(place, &question, connection)
                                                     : page->reply(&question);
    vitals_end(&question);
    return reply;
}

/* What it answers is a stream. */
static bool answers_stream(const struct page *page) {
    return page->reply == tail_reply || page->reply == events_reply;
}

/* NULL: none with this method; *ret_path: there is one with another. */
static const struct page *find_page(const struct http_place *place, const char *path,
                                    const char *method, bool *ret_path) {
    bool acts = strcmp(method, MHD_HTTP_METHOD_POST) == 0,
         looks =
             strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    for (const struct page *page = pages; page < pages + ARRAY_LEN(pages); page++) {
        if (strcmp(path, page->path) != 0 || (place->open && !page->open))
            continue;
        *ret_path = true;
        if (answers_stream(page) && strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
            continue; /* it would stay, as who listens does, and hear nothing */
        if (page->acts ? acts : looks)
            return page;
    }
    return NULL;
}

static bool has_body(struct MHD_Connection *connection) {
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH),
               *coding = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_TRANSFER_ENCODING);

    return coding != NULL || (length != NULL && strcmp(length, "0") != 0);
}

/* A browser, whose page may have come from anywhere, reaches no unix socket. */
static bool is_rebound(const struct http_place *place, int fd, const char *host) {
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
        return false;
    return host != NULL && !hosts_have(&place->hosts, host);
}

/* NULL: he may. Else a sentence, and *ret_status. */
static const char *refuse_asker(const struct http_place *place, struct MHD_Connection *connection,
                                struct ucred *ret_asker, unsigned *ret_status) {
    const char *host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

    *ret_status = 403;
    if (!place->open)
        return may_ask(visitors_fd(connection), ret_asker)
                   ? NULL
                   : "only root, relayd's user and members of its group may ask";
    *ret_status = 421;
    return !is_rebound(place, visitors_fd(connection), host)
               ? NULL
               : "this relayd is not called so; ask by its address, by localhost, by the name of "
                 "its machine or by one that is written in the address of its status section";
}

static struct reply answer_request(struct http_place *place, const char *path, const char *method,
                                   struct MHD_Connection *connection) {
    struct ucred asker = {0};
    bool is_there = false;
    unsigned status;
    const char *why = refuse_asker(place, connection, &asker, &status);

    if (why != NULL)
        return reply_error(status, why);
    if (has_body(connection))
        return reply_error(413, "no request here has a body; arguments follow a question mark");
    const struct page *page = find_page(place, path, method, &is_there);
    if (page != NULL && place->ending && (page->errand > 0 || answers_stream(page)))
        return reply_error(503, "this socket is being closed; ask again");
    if (page != NULL)
        return answer_page(place, page, &asker, connection);
    return is_there ? reply_error(405, "what looks is asked by GET, what acts by POST")
                    : reply_error(404, "there is no such page; relayctl(8) lists them");
}

/* What a page that is there takes. */
static const char *allowed_methods(const struct http_place *place, const char *path) {
    bool is_there, head = find_page(place, path, MHD_HTTP_METHOD_HEAD, &is_there) != NULL;

    if (find_page(place, path, MHD_HTTP_METHOD_GET, &is_there) == NULL)
        return "POST";
    if (find_page(place, path, MHD_HTTP_METHOD_POST, &is_there) != NULL)
        return "GET, HEAD, POST";
    return head ? "GET, HEAD" : "GET";
}

/* Takes what the reply has. NULL: no memory. */
static struct MHD_Response *make_response(struct http_place *place, struct reply *reply,
                                          struct MHD_Connection *connection,
                                          struct visitor *visitor) {
    if (reply->stream != NULL) {
        if (visitor == NULL) {
            stream_free(reply->stream);
            return NULL;
        }
        visitor->stays = true;
        return stream_respond(reply->stream, &place->streams, connection, visitor->fd);
    }
    if (reply->body == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(reply->body), reply->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(reply->body);
    return response;
}

/* An answer is true for a moment, is what it says it is, and no page of elsewhere may show it. */
static bool add_headers(struct MHD_Response *response, const struct reply *reply) {
    return MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type) ==
               MHD_YES &&
           MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ==
               MHD_YES &&
           MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
           MHD_add_response_header(response, "Content-Security-Policy",
                                   reply->policy != NULL ? reply->policy : "default-src 'none'") ==
               MHD_YES;
}

/* An MHD_AccessHandlerCallback. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **request) {
    struct http_place *place = arg;
    struct visitor *visitor = visitors_heard(&place->visitors, connection);

    (void)version;
    (void)body;
    (void)body_size;
    if (*request == NULL && !has_body(connection)) {
        *request = place; /* MHD calls again; an answer now would end the connection */
        return MHD_YES;
    }
    struct reply reply;
    if (!waiter_finish(&place->waiters, *request, &reply))
        reply = answer_request(place, path, method, connection);
    if (visitor != NULL)
        visitor->stays = reply.waiter != NULL;
    if (reply.waiter != NULL) {
        *request = reply.waiter;
        return MHD_YES;
    }
    struct MHD_Response *response = make_response(place, &reply, connection, visitor);
    if (response == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    enum MHD_Result r = MHD_NO;
    if (add_headers(response, &reply) &&
        (reply.status != 405 || MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                                        allowed_methods(place, path)) == MHD_YES))
        r = MHD_queue_response(connection, reply.status, response);
    MHD_destroy_response(response);
    return r;
}

void http_place_init(struct http_place *place, bool open, size_t most, const struct hosts *hosts) {
    memset(place, 0, sizeof(*place));
    place->open = open;
    place->hosts = *hosts;
    visitors_init(&place->visitors, most, open ? PER_CLIENT_MOST : 0);
    LIST_INIT(&place->streams);
    LIST_INIT(&place->waiters);
}

struct MHD_Daemon *http_start(int listening, struct http_place *place, unsigned most) {
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, visitors_admit, &place->visitors, on_request,
        place, MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT, most,
        MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_MOST, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        MEMORY_MOST, MHD_OPTION_NOTIFY_CONNECTION, visitors_note, &place->visitors, MHD_OPTION_END);
}
