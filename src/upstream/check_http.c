/* Type http: a server is up if it answers a GET with a status that is expected. Of the answer the status line alone is
 * read; the socket is closed with the rest unread, by a reset then, which no longer matters to the server. */
#include <stdio.h>
#include <string.h>

#include "upstream/check.h"

/* The Host of an address, without the zone of an IPv6 address, which has no meaning elsewhere (RFC 6874, 4). */
static const char *host_of(const struct addr *addr, char *buf, size_t size) {
    if (addr_is_unix(addr))
        return "localhost";
    addr_format(addr, buf, size);
    char *zone = strchr(buf, '%'), *end = strchr(buf, ']');
    if (zone != NULL && end != NULL)
        memmove(zone, end, strlen(end) + 1);
    return buf;
}

static size_t request(const struct health_wish *wish, char *buf, size_t size) {
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

static enum check_outcome answer(struct check *check, const char *bytes, size_t n) {
    const struct health_check_config *config = check->wish->config;

    switch (status_line_take(&check->line, bytes, n)) {
    case STATUS_LINE_MORE:
        return CHECK_UNDER_WAY;
    case STATUS_LINE_BAD:
        return check_bad(check, "the answer is not HTTP");
    case STATUS_LINE_WHOLE:
        break;
    }
    if (is_expected(config, check->line.status))
        return CHECK_GOOD;
    return check_bad(check, "status %03d, expected %s", check->line.status, config->expect);
}

const struct check_ops check_http_ops = {.request = request, .answer = answer};
