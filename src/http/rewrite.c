#include "http/rewrite.h"

#include <errno.h>
#include <string.h>

#include "http/client_text.h"
#include "http/target.h"

#define HTTP_SET(name) (1u << HTTP1_##name)

_Static_assert(HTTP1_NAME_COUNT <= 32, "a set of names is 32 bits");

/* A request on its way. */
struct passage {
    const char *bytes;
    const struct http1_head *head;
    const struct http_facts *facts;
    const struct route_config *options;
    struct http_out *out;
    uint32_t passed; /* a set of the known names that are passed on */
};

const struct route_config *http_options(const struct http_facts *facts) {
    return facts->route != NULL ? facts->route : &facts->listener->own;
}

bool http_upgrades(const char *bytes, const struct http1_head *head,
                   const struct listener_config *listener) {
    return head->upgrades && listener->websocket && head->method == HTTP1_GET &&
           head->framing == HTTP1_NO_BODY && !head->v1_0 &&
           http1_is(bytes, head->upgrade, "websocket");
}

static void add_request_line(const struct passage *passage) {
    static const char version[] = " HTTP/1.1\r\n";
    const struct http1_head *head = passage->head;
    size_t end = (size_t)head->target.at + head->target.n, n_version = sizeof(version) - 1;

    if (http_target_stays(head, passage->options) && !head->v1_0) {
        http_out_keep(passage->out, passage->bytes + head->method_text.at,
                      end + n_version - head->method_text.at);
        return;
    }
    http_out_keep(passage->out, passage->bytes + head->method_text.at, head->method_text.n + 1);
    http_target_write(passage->bytes, head, passage->options, passage->out);
    http_out_copy(passage->out, version, n_version);
}

/* What relayd writes itself. What a proxy in front says is passed, if that is trusted. */
static uint32_t names_dropped(const struct passage *passage) {
    const struct http_facts *facts = passage->facts;
    uint32_t dropped = HTTP_SET(CONTENT_LENGTH) | HTTP_SET(TRANSFER_ENCODING) |
                       HTTP_SET(CONNECTION) | HTTP_SET(UPGRADE) | HTTP_SET(X_FORWARDED_FOR) |
                       HTTP_SET(X_REAL_IP);

    if (!facts->trusted)
        dropped |= HTTP_SET(X_FORWARDED_PROTO) | HTTP_SET(X_FORWARDED_HOST) | HTTP_SET(FORWARDED);
    if (facts->listener->request_id)
        dropped |= HTTP_SET(X_REQUEST_ID);
    if (!passage->head->expects_continue)
        dropped |= HTTP_SET(EXPECT);
    return dropped;
}

static void pass_fields(struct passage *passage) {
    const struct header_edits *edits = &passage->options->request;
    uint32_t dropped = names_dropped(passage);

    for (size_t i = 0; i < passage->head->n_fields; i++) {
        const struct http1_field *field = &passage->head->fields[i];

        if (field->hop || (dropped >> field->known & 1) != 0 ||
            header_edits_take_off(edits, passage->bytes + field->name.at, field->name.n))
            continue;
        passage->passed |= 1u << field->known;
        if (field->known == HTTP1_COOKIE && passage->options->cookie != NULL)
            cookie_pass(passage->bytes, field, passage->options->cookie, passage->out);
        else
            http_out_keep(passage->out, passage->bytes + field->line.at, field->line.n);
    }
}

/* Whether relayd adds a field of its own: the operator may set or remove it. */
static bool adds(const struct passage *passage, const char *name) {
    return !header_edits_take_off(&passage->options->request, name, strlen(name));
}

static void write_field(struct http_out *out, const char *name, const char *value, size_t n) {
    http_out_text(out, name);
    http_out_copy(out, ": ", 2);
    http_out_copy(out, value, n);
    http_out_copy(out, "\r\n", 2);
}

/* A request of 1.0 may be without one; that of 1.1 is not (RFC 9112, 3.2). It may be empty there,
 * but nginx refuses that. */
static void write_host_of_1_0(const struct passage *passage) {
    const struct http1_span authority = passage->head->authority;
    const char *local = passage->facts->local != NULL ? passage->facts->local : "localhost";

    if (!passage->head->v1_0 || http1_find(passage->head, HTTP1_HOST) != NULL ||
        passage->options->request.sets_host)
        return;
    if (authority.n > 0)
        write_field(passage->out, "Host", passage->bytes + authority.at, authority.n);
    else
        write_field(passage->out, "Host", local, strlen(local));
}

/* One line, whatever came: many programs read the first or the last alone. */
static void add_forwarded_for(const struct passage *passage, const char *client, size_t n) {
    const struct http1_head *head = passage->head;
    const char *before = "X-Forwarded-For: ";

    for (size_t i = 0; passage->facts->trusted && i < head->n_fields; i++) {
        const struct http1_field *field = &head->fields[i];

        if (field->known != HTTP1_X_FORWARDED_FOR || field->hop || field->value.n == 0)
            continue;
        http_out_text(passage->out, before);
        http_out_copy(passage->out, passage->bytes + field->value.at, field->value.n);
        before = ", ";
    }
    if (n > 0) {
        http_out_text(passage->out, before);
        http_out_copy(passage->out, client, n);
        before = ", ";
    }
    if (before[0] == ',')
        http_out_copy(passage->out, "\r\n", 2);
}

static void add_real_ip(const struct passage *passage, const char *client, size_t n) {
    struct http1_span told = {0, 0};

    if (passage->facts->trusted)
        told = client_told(passage->bytes, passage->head, passage->facts->listener->trusted);
    if (told.n > 0)
        write_field(passage->out, "X-Real-IP", passage->bytes + told.at, told.n);
    else if (n > 0)
        write_field(passage->out, "X-Real-IP", client, n);
}

/* RFC 7239, 4: a host has no quote or backslash, and IPv6 is quoted. */
static void add_forwarded(const struct passage *passage, const char *client, size_t n) {
    const struct http1_span authority = passage->head->authority;
    bool is_ipv6 = memchr(client, ':', n) != NULL;
    struct http_out *out = passage->out;

    http_out_text(out, is_ipv6 ? "Forwarded: for=\"[" : "Forwarded: for=");
    if (n > 0)
        http_out_copy(out, client, n);
    else
        http_out_text(out, "unknown");
    http_out_text(out, is_ipv6 ? "]\"" : "");
    http_out_text(out, passage->facts->tls ? ";proto=https" : ";proto=http");
    if (authority.n > 0) {
        http_out_text(out, ";host=\"");
        http_out_copy(out, passage->bytes + authority.at, authority.n);
        http_out_text(out, "\"");
    }
    http_out_copy(out, "\r\n", 2);
}

/* Who asks, and how. */
static void add_origin(const struct passage *passage) {
    const struct http_facts *facts = passage->facts;
    const struct http1_span authority = passage->head->authority;
    char client[CLIENT_TEXT_SIZE];
    size_t n = client_text(facts->client, client);

    if (adds(passage, "x-forwarded-for"))
        add_forwarded_for(passage, client, n);
    if ((passage->passed & HTTP_SET(X_FORWARDED_PROTO)) == 0 && adds(passage, "x-forwarded-proto"))
        http_out_text(passage->out,
                      facts->tls ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n");
    if ((passage->passed & HTTP_SET(X_FORWARDED_HOST)) == 0 && authority.n > 0 &&
        adds(passage, "x-forwarded-host"))
        write_field(passage->out, "X-Forwarded-Host", passage->bytes + authority.at, authority.n);
    if (adds(passage, "x-real-ip"))
        add_real_ip(passage, client, n);
    if (facts->listener->request_id && facts->request_id[0] != '\0' &&
        adds(passage, "x-request-id"))
        write_field(passage->out, "X-Request-ID", facts->request_id, strlen(facts->request_id));
    if (facts->listener->forwarded && adds(passage, "forwarded"))
        add_forwarded(passage, client, n);
    if (facts->listener->via && adds(passage, "via"))
        http_out_text(passage->out,
                      passage->head->v1_0 ? "Via: 1.0 relayd\r\n" : "Via: 1.1 relayd\r\n");
}

static void add_request_framing(const struct passage *passage) {
    struct http_out *out = passage->out;

    if (passage->head->framing == HTTP1_CHUNKED) {
        http_out_text(out, "Transfer-Encoding: chunked\r\n");
    } else if (passage->head->framing == HTTP1_LENGTH) {
        http_out_text(out, "Content-Length: ");
        http_out_number(out, passage->head->content_length);
        http_out_copy(out, "\r\n", 2);
    }
    if (http_upgrades(passage->bytes, passage->head, passage->facts->listener))
        http_out_text(out, "Connection: upgrade\r\nUpgrade: websocket\r\n");
}

int http_rewrite_request(const char *bytes, const struct http1_head *head,
                         const struct http_facts *facts, struct http_out *ret) {
    struct passage passage = {bytes, head, facts, http_options(facts), ret, 0};

    http_out_begin(ret);
    add_request_line(&passage);
    write_host_of_1_0(&passage);
    pass_fields(&passage);
    add_origin(&passage);
    http_out_copy(ret, passage.options->request.lines, passage.options->request.n_lines);
    add_request_framing(&passage);
    http_out_copy(ret, "\r\n", 2);
    return ret->full ? -E2BIG : 0;
}
