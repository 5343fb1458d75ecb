/* bounded: a client costs at most one of CONNECTIONS_MOST, MEMORY_MOST bytes for its request, and
 * SILENCE_MOST seconds of silence. A request with a body is refused. */
#include "control/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "control/connections.h"
#include "control/gauges.h"
#include "control/servers.h"
#include "control/status.h"

#define CONNECTIONS_MOST 32u
#define MEMORY_MOST      ((size_t)16384)
#define SILENCE_MOST     10u /* seconds */
#define GROUPS_ROOM      1024

static const struct page {
    const char *path;
    bool acts; /* by POST; else it looks, by GET or HEAD */
    struct reply (*reply)(const struct question *question);
    const char *arguments[4]; /* that may follow ?; up to NULL */
} pages[] = {
    {"/status", false, status_reply, {NULL}},
    {"/servers", false, servers_reply, {NULL}},
    {"/connections", false, connections_reply, {"listener", "server", "client", NULL}},
    {"/metrics", false, gauges_reply, {NULL}},
    {"/ready", false, ready_reply, {NULL}},
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
    snprintf(check->wrong, sizeof(check->wrong), "%s", name[0] != '\0' ? name : "?");
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

static struct reply answer_page(const struct http_source *source, const struct page *page,
                                const struct ucred *asker, struct MHD_Connection *connection) {
    struct question question = {.asker = *asker, .argument = get_argument, .arg = connection};
    struct argument_check check = {.page = page};

    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, check_argument, &check);
    if (check.wrong[0] != '\0')
        return refuse_argument(&check);
    source->begin(source->arg, &question);
    struct reply reply = question.generation != NULL ? page->reply(&question)
                                                     : reply_error(503, "relayd is starting");
    source->end(source->arg, &question);
    return reply;
}

/* NULL: none with this method; *ret_path: there is one with another. */
static const struct page *find_page(const char *path, const char *method, bool *ret_path) {
    bool acts = strcmp(method, MHD_HTTP_METHOD_POST) == 0,
         looks =
             strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    for (const struct page *page = pages; page < pages + ARRAY_LEN(pages); page++) {
        if (strcmp(path, page->path) != 0)
            continue;
        *ret_path = true;
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

static struct reply answer_request(const struct http_source *source, const char *path,
                                   const char *method, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred asker;
    bool is_there = false;

    if (info == NULL || !may_ask(info->connect_fd, &asker))
        return reply_error(403, "only root, relayd's user and members of its group may ask");
    if (has_body(connection))
        return reply_error(413, "no request here has a body; arguments follow a question mark");
    const struct page *page = find_page(path, method, &is_there);
    if (page != NULL)
        return answer_page(source, page, &asker, connection);
    return is_there ? reply_error(405, "what looks is asked by GET, what acts by POST")
                    : reply_error(404, "there is no such page; relayctl(8) lists them");
}

/* What a page that is there takes. */
static const char *allowed_methods(const char *path) {
    bool is_there;

    return find_page(path, MHD_HTTP_METHOD_GET, &is_there) != NULL
               ? find_page(path, MHD_HTTP_METHOD_POST, &is_there) != NULL ? "GET, HEAD, POST"
                                                                          : "GET, HEAD"
               : "POST";
}

static enum MHD_Result on_request(void *source, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **request) {
    (void)version;
    (void)body;
    (void)body_size;
    (void)request;
    struct reply reply = answer_request(source, path, method, connection);
    if (reply.body == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(reply.body), reply.body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply.body);
        return MHD_NO;
    }
    enum MHD_Result r = MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply.type) == MHD_YES &&
        (reply.status != 405 || MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                                        allowed_methods(path)) == MHD_YES))
        r = MHD_queue_response(connection, reply.status, response);
    MHD_destroy_response(response);
    return r;
}

struct MHD_Daemon *http_start(int listening, const struct http_source *source) {
    return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, (void *)(uintptr_t)source,
                            MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
                            CONNECTIONS_MOST, MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_MOST,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_MOST, MHD_OPTION_END);
}
