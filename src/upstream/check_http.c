/* A server is up if it answers a GET with a status that is expected. Of the answer only the status line is read (RFC
 * 9112, 4); none of its bytes, which are the server's, come into a message. */
#include <stdio.h>
#include <string.h>

#include "upstream/check.h"

static size_t request(const struct check_wish *wish, char *buf, size_t size) {
    char address[ADDR_TEXT_MAX];
    const char *host = wish->config->host;

    if (host[0] == '\0')
        host = addr_is_unix(&wish->addr) ? "localhost"
                                         : addr_format(&wish->addr, address, sizeof(address));
    int n = snprintf(buf, size,
                     "GET %s HTTP/1.1\r\n"
                     "Host: %s\r\n"
                     "User-Agent: relayd\r\n"
                     "Accept: */*\r\n"
                     "Connection: close\r\n"
                     "\r\n",
                     wish->config->path, host);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static bool is_expected(const struct health_check_config *config, int status) {
    for (size_t i = 0; i < config->n_expected; i++)
        if (status >= config->expected[i].first && status <= config->expected[i].last)
            return true;
    return false;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200" and a blank or the line's end: 13 bytes say all. `x` stands for any digit. */
static bool fits(const char *answer, size_t n) {
    static const char form[] = "HTTP/1.x xxx";

    for (size_t i = 0; i < n && i < sizeof(form) - 1; i++)
        if (form[i] == 'x' ? !is_digit(answer[i]) : answer[i] != form[i])
            return false;
    return n < sizeof(form) || strchr(" \r\n", answer[sizeof(form) - 1]) != NULL;
}

static enum check_state judge(const struct check_wish *wish, const char *answer, size_t n,
                              bool ended, char *why, size_t size) {
    if (!fits(answer, n)) {
        snprintf(why, size, "the answer is not HTTP");
        return CHECK_BAD;
    }
    if (n < 13) {
        snprintf(why, size, "the connection was closed before an answer");
        return ended ? CHECK_BAD : CHECK_GOES_ON;
    }
    int status = (answer[9] - '0') * 100 + (answer[10] - '0') * 10 + (answer[11] - '0');
    if (is_expected(wish->config, status))
        return CHECK_GOOD;
    snprintf(why, size, "status %d, expected %.100s", status, wish->config->expect);
    return CHECK_BAD;
}

const struct check_type_ops check_http_ops = {.request = request, .judge = judge};
