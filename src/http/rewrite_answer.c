/* Answers as they go on to the client, and those of redirects. */
#include <errno.h>
#include <string.h>

#include "http/rewrite.h"
#include "http/target.h"

#define STS "Strict-Transport-Security"

struct answer_passage {
    const char *bytes;
    const struct http1_head *head;
    const struct http_facts *facts;
    const struct route_config *options;
    struct http_out *out;
};

/* RFC 6797, 7.2: over TLS alone. The operator may set or remove it. */
static bool adds_sts(const struct http_facts *facts) {
    const struct route_config *options = http_options(facts);

    return options->hsts > 0 && facts->tls &&
           !header_edits_take_off(&options->response, STS, strlen(STS));
}

static void add_sts(const struct http_facts *facts, struct http_out *out) {
    if (!adds_sts(facts))
        return;
    http_out_text(out, STS ": max-age=");
    http_out_number(out, (uint64_t)(http_options(facts)->hsts / USEC_PER_SEC));
    http_out_copy(out, "\r\n", 2);
}

static void add_status_line(const struct answer_passage *passage) {
    const struct http1_head *head = passage->head;

    http_out_text(passage->out, "HTTP/1.1 ");
    http_out_number(passage->out, head->status);
    http_out_copy(passage->out, " ", 1);
    if (head->reason.n > 0)
        http_out_keep(passage->out, passage->bytes + head->reason.at, head->reason.n + 2u);
    else
        http_out_copy(passage->out, "\r\n", 2);
}

/* What a HEAD or 304 announces is not its body's (RFC 9110, 8.6); others have it anew. */
static bool keeps_length(const struct http1_head *head) {
    return head->framing == HTTP1_NO_BODY && head->status >= 200 && head->status != 204;
}

/* The cookie of the client's server is relayd's alone. */
static bool sets_our_cookie(const struct answer_passage *passage, const struct http1_field *field) {
    const char *name = passage->options->cookie;

    return name != NULL && field->known == HTTP1_SET_COOKIE &&
           cookie_sets(passage->bytes, field->value, name);
}

static void pass_answer_fields(const struct answer_passage *passage, bool edited) {
    const struct header_edits *edits = &passage->options->response;
    bool sts = edited && adds_sts(passage->facts);

    for (size_t i = 0; i < passage->head->n_fields; i++) {
        const struct http1_field *field = &passage->head->fields[i];
        const char *name = passage->bytes + field->name.at;

        if (field->hop || field->known == HTTP1_CONNECTION ||
            field->known == HTTP1_TRANSFER_ENCODING || field->known == HTTP1_UPGRADE ||
            (field->known == HTTP1_CONTENT_LENGTH && !keeps_length(passage->head)) ||
            sets_our_cookie(passage, field) ||
            (edited && header_edits_take_off(edits, name, field->name.n)) ||
            (sts && http1_is(passage->bytes, field->name, STS)))
            continue;
        http_out_keep(passage->out, passage->bytes + field->line.at, field->line.n);
    }
}

static void add_answer_framing(const struct answer_passage *passage, bool chunks) {
    const struct http1_head *head = passage->head;
    bool chunked = head->framing == HTTP1_CHUNKED && !passage->facts->v1_0;

    if (head->framing == HTTP1_NO_BODY)
        return;
    if (head->framing == HTTP1_LENGTH) {
        http_out_text(passage->out, "Content-Length: ");
        http_out_number(passage->out, head->content_length);
        http_out_copy(passage->out, "\r\n", 2);
    } else if (chunks || chunked) {
        http_out_text(passage->out, "Transfer-Encoding: chunked\r\n");
    }
}

static void add_connection(const struct http_facts *facts, bool close, struct http_out *out) {
    if (close)
        http_out_text(out, "Connection: close\r\n");
    else if (facts->v1_0)
        http_out_text(out, "Connection: keep-alive\r\n");
}

static void add_switch(const struct answer_passage *passage) {
    http_out_text(passage->out, "Connection: upgrade\r\nUpgrade: ");
    http_out_copy(passage->out, passage->bytes + passage->head->upgrade.at,
                  passage->head->upgrade.n);
    http_out_copy(passage->out, "\r\n", 2);
}

static void add_final_fields(const struct answer_passage *passage, bool close, bool chunks) {
    const struct header_edits *edits = &passage->options->response;

    add_sts(passage->facts, passage->out);
    if (passage->facts->listener->via && !header_edits_take_off(edits, "via", strlen("via")))
        http_out_text(passage->out,
                      passage->head->v1_0 ? "Via: 1.0 relayd\r\n" : "Via: 1.1 relayd\r\n");
    http_out_copy(passage->out, edits->lines, edits->n_lines);
    if (!cookie_token_is_none(passage->facts->goes_with))
        cookie_add(passage->facts->goes_with, passage->options->cookie, passage->facts->tls,
                   passage->out);
    add_answer_framing(passage, chunks);
    if (passage->head->status == 101)
        add_switch(passage);
    else
        add_connection(passage->facts, close, passage->out);
}

int http_rewrite_answer(const char *bytes, const struct http1_head *head,
                        const struct http_facts *facts, bool close, bool chunks,
                        struct http_out *ret) {
    const struct answer_passage passage = {bytes, head, facts, http_options(facts), ret};
    bool final = head->status >= 200 || head->status == 101;

    http_out_begin(ret);
    add_status_line(&passage);
    pass_answer_fields(&passage, final);
    if (final)
        add_final_fields(&passage, close, chunks);
    http_out_copy(ret, "\r\n", 2);
    return ret->full ? -E2BIG : 0;
}

static const struct {
    int status;
    const char *line;
} redirects[] = {
    [REDIRECT_301] = {301, "HTTP/1.1 301 Moved Permanently\r\n"},
    [REDIRECT_302] = {302, "HTTP/1.1 302 Found\r\n"},
    [REDIRECT_307] = {307, "HTTP/1.1 307 Temporary Redirect\r\n"},
    [REDIRECT_308] = {308, "HTTP/1.1 308 Permanent Redirect\r\n"},
};

int http_redirect_status(const struct http_facts *facts) {
    return redirects[http_options(facts)->redirect_code].status;
}

/* As http_target_write, but "*" stands in no URL. */
static void add_location_path(const struct answer_passage *passage) {
    const struct http1_span path = passage->head->path, query = passage->head->query;

    if ((path.n == 1 && passage->bytes[path.at] == '*') || path.n + query.n == 0)
        http_out_text(passage->out, "/");
    else
        http_target_write(passage->bytes, passage->head, passage->options, passage->out);
}

static void add_location(const struct answer_passage *passage) {
    const struct redirect *target = &passage->options->target;
    const struct http1_span host = passage->head->host;

    http_out_text(passage->out, "Location: ");
    http_out_copy(passage->out, passage->options->redirect, target->n);
    if (target->form == REDIRECT_SCHEME) {
        http_out_text(passage->out, "://");
        http_out_copy(passage->out, passage->bytes + host.at, host.n);
    }
    if (target->form != REDIRECT_WHOLE)
        add_location_path(passage);
    http_out_copy(passage->out, "\r\n", 2);
}

int http_redirect(const char *bytes, const struct http1_head *head, const struct http_facts *facts,
                  bool close, struct http_out *ret) {
    static const char body[] = "What you ask for is at another address.\n";
    const struct answer_passage passage = {bytes, head, facts, http_options(facts), ret};
    const struct header_edits *edits = &passage.options->response;

    if (passage.options->target.form == REDIRECT_SCHEME && head->host.n == 0)
        return -EINVAL;
    http_out_begin(ret);
    http_out_text(ret, redirects[passage.options->redirect_code].line);
    add_location(&passage);
    http_out_text(ret, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: ");
    http_out_number(ret, sizeof(body) - 1);
    http_out_copy(ret, "\r\n", 2);
    add_sts(facts, ret);
    http_out_copy(ret, edits->lines, edits->n_lines);
    add_connection(facts, close, ret);
    http_out_copy(ret, "\r\n", 2);
    if (head->method != HTTP1_HEAD)
        http_out_copy(ret, body, sizeof(body) - 1);
    return ret->full ? -E2BIG : 0;
}
