/* Type http: a server is up if it answers a GET with a status that is expected. The verdict is
 * known with the head of the answer; its content is read to the end all the same, as far as that is
 * bounded, since what is left unread becomes a reset in the server's log. */
#include <stdio.h>
#include <string.h>

#include "health/check.h"

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

/* The head is whole, and `more` bytes beyond it have come. */
static enum check_outcome judge_status(struct check *check, size_t more) {
    const struct health_check_config *config = check->wish->config;
    const struct http_head *head = &check->talk.http;
    int status = head->line.status;

    check->stays = true;
    check->understood = status != 400; /* Bad Request */
    if (head->content != HTTP_CONTENT_OPEN && head->content < CHECK_DRAIN_MAX)
        check->left = (size_t)head->content;
    check->left -= more < check->left ? more : check->left;
    if (is_expected(config, status))
        return CHECK_GOOD;
    return check_bad(check, "status %03d, expected %s", status, config->expect);
}

static enum check_outcome read_http_answer(struct check *check, const char *bytes, size_t n) {
    size_t used;

    switch (http_head_take(&check->talk.http, bytes, n, &used)) {
    case HTTP_HEAD_WHOLE:
        return judge_status(check, n - used);
    case HTTP_HEAD_NOT_HTTP:
        return check_bad(check, "the answer is not HTTP");
    case HTTP_HEAD_LONG:
        return check_bad(check, "the head of the answer is longer than %d bytes", HTTP_HEAD_MAX);
    case HTTP_HEAD_MORE:
    default:
        return CHECK_UNDER_WAY;
    }
}

const struct check_ops check_http_ops = {.request = write_http_request, .answer = read_http_answer};
