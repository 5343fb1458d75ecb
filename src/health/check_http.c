/* Type http: a server is up if it answers a GET with a status that is expected, in a head as mode
 * http takes it. The verdict is known with that head; the content is read to its end all the same,
 * as far as that is bounded, since what is left unread becomes a reset in the server's log. It is
 * not judged: that would take as long as the content does, and depend on how the bytes come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/check.h"
#include "wire/status_line.h"
#include "wire/tls_record.h"

#define STATUS_SWITCHING   101
#define STATUS_BAD_REQUEST 400
#define INTERIM_MAX        10 /* as in an exchange of mode http */
/* of a head are looked at as each comes, so that what is no HTTP is found without a line end */
#define FIRST_BYTES 64

/* The Host of an address, without the zone of an IPv6 address, which has no meaning elsewhere (RFC
 * 6874, 4). */
static const char *host_of(const struct addr *addr, char *buf, size_t size) {
    if (addr_is_unix(addr))
        return "localhost";
    addr_format(addr, buf, size);
    char *zone = strchr(buf, '%'), *end = strchr(buf, ']');
    if (zone != NULL && end != NULL)
        memmove(zone, end, strlen(end) + 1);
    return buf;
}

static size_t write_http_request(const struct check_wish *wish, char *buf, size_t size) {
    const char *host = wish->config->host;
    char text[ADDR_TEXT_MAX];

    if (host[0] == '\0')
        host = host_of(&wish->addr, text, sizeof(text));
    int n = snprintf(buf, size,
                     "GET %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "User-Agent: relayd\r\n"
                     "Accept: */*\r\n"
                     "Connection: close\r\n"
                     "\r\n",
                     wish->config->path, host);
    CHECK(n > 0);
    return (size_t)n;
}

static bool is_expected(const struct health_check_config *config, int status) {
    for (size_t i = 0; i < config->n_expected; i++)
        if (status >= config->expected[i].first && status <= config->expected[i].last)
            return true;
    return false;
}

static enum check_outcome judge_status(struct check *check, int status) {
    const struct health_check_config *config = check->wish->config;

    check->stays = true;
    check->understood |= status != STATUS_BAD_REQUEST;
    if (is_expected(config, status))
        return CHECK_GOOD;
    return check_bad(check, "status %03d, expected %s", status, config->expect);
}

static bool is_interim(int status) {
    return status >= 100 && status < 200 && status != STATUS_SWITCHING;
}

/* A client of mode http would get 502 in its place. Whoever relays bytes passes it on, and clients
 * may well read it: there the status alone counts, lest a server that works be down. */
static enum check_outcome judge_malformed(struct check *check, const char *why) {
    struct status_line line = {0};
    enum status_line_outcome outcome = status_line_take(&line, check->kept, check->kept_n);

    if (outcome == STATUS_LINE_BAD && check->kept_n > 0 &&
        (check->kept[0] == TLS_ALERT || check->kept[0] == TLS_HANDSHAKE))
        return check_bad(check,
                         "the answer is not HTTP but TLS: if the server speaks https at "
                         "this port, its upstream needs a tls section");
    if (outcome == STATUS_LINE_BAD)
        return check_bad(check, "the answer is not HTTP");
    if (outcome == STATUS_LINE_MORE && !check->wish->strict)
        return CHECK_UNDER_WAY;
    if (!check->wish->strict && !is_interim(line.status))
        return judge_status(check, line.status);
    check->understood |= outcome == STATUS_LINE_WHOLE && line.status != STATUS_BAD_REQUEST;
    return check_bad(check, "the answer is malformed: %s", why);
}

/* Where chunks are wrong, the answer is read to the end of the connection. */
static bool http_rest(struct check *check, const char *bytes, size_t n) {
    struct check_http *http = &check->talk.http;

    while (http->chunked && n > 0) {
        size_t used, data;
        enum http1_chunk_outcome outcome = http1_chunks_take(&http->chunks, bytes, n, &used, &data);

        if (outcome == HTTP1_CHUNK_END)
            return true;
        http->chunked = outcome != HTTP1_CHUNK_BAD;
        if (outcome == HTTP1_CHUNK_DATA)
            http1_chunks_took(&http->chunks, data);
        bytes += used + data;
        n -= used + data;
    }
    return false;
}

/* The head is whole; what is kept beyond it, and these n bytes, follow it. */
static enum check_outcome judge_head(struct check *check, const struct http1_head *head,
                                     const char *bytes, size_t n) {
    size_t behind = check->kept_n - head->length, more = behind + n;

    if (head->status == STATUS_SWITCHING)
        return judge_malformed(check, "its status is 101, for which no check asks");
    if (head->framing == HTTP1_NO_BODY)
        check->left = 0;
    else if (head->framing == HTTP1_LENGTH && head->content_length < check->left)
        check->left = (size_t)head->content_length;
    check->left -= more < check->left ? more : check->left;
    check->talk.http.chunked = head->framing == HTTP1_CHUNKED;
    if (http_rest(check, check->kept + head->length, behind) || http_rest(check, bytes, n))
        check->left = 0;
    return judge_status(check, head->status);
}

static enum check_outcome pass_over(struct check *check, const struct http1_head *head) {
    if (++check->talk.http.interim > INTERIM_MAX)
        return check_bad(check, "the answer has more than %d interim ones before it", INTERIM_MAX);
    check->kept_n -= head->length;
    memmove(check->kept, check->kept + head->length, check->kept_n);
    return CHECK_UNDER_WAY;
}

/* With n more bytes kept: all heads that are whole now. `bytes`, `more`: what there was no room
 * for. */
static enum check_outcome judge_kept(struct check *check, size_t n, const char *bytes,
                                     size_t more) {
    size_t seen = check->kept_n - n;
    enum check_outcome verdict = CHECK_UNDER_WAY;
    struct http1_head head;
    struct http1_fault fault;

    while (verdict == CHECK_UNDER_WAY && check->kept_n > 0 &&
           (seen < FIRST_BYTES || http1_has_news(check->kept, seen, check->kept_n))) {
        seen = 0;
        switch (http1_parse_answer(check->kept, check->kept_n, HTTP1_GET, &head, &fault)) {
        case HTTP1_BAD:
            return judge_malformed(check, fault.why);
        case HTTP1_MORE:
            return CHECK_UNDER_WAY;
        case HTTP1_WHOLE:
        default:
            verdict = is_interim(head.status) ? pass_over(check, &head)
                                              : judge_head(check, &head, bytes, more);
        }
    }
    return verdict;
}

static enum check_outcome read_http_answer(struct check *check, const char *bytes, size_t n) {
    enum check_outcome verdict = CHECK_UNDER_WAY;

    if (check->kept == NULL)
        check->kept = malloc(HTTP1_HEAD_MAX);
    if (check->kept == NULL)
        return CHECK_VOID;
    while (n > 0 && verdict == CHECK_UNDER_WAY) {
        size_t room = HTTP1_HEAD_MAX - check->kept_n, taken = n < room ? n : room;

        memcpy(check->kept + check->kept_n, bytes, taken);
        check->kept_n += taken;
        bytes += taken;
        n -= taken;
        verdict = judge_kept(check, taken, bytes, n);
    }
    return verdict;
}

const struct check_ops check_http_ops = {
    .request = write_http_request, .answer = read_http_answer, .rest = http_rest};
