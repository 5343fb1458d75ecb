#include "conn/answer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/nonce_watch.h"
#include "base/sockopt.h"
#include "tls/session.h"

/* RFC 9110, 15.5 and 15.6; RFC 6585, 4 and 5. */
static const struct answer {
    int status;
    const char *reason;
    const char *body;
} answers[] = {
    {400, "Bad Request", "The request is malformed.\n"},
    {403, "Forbidden", "You may not use this service.\n"},
    {404, "Not Found", "There is nothing here.\n"},
    {405, "Method Not Allowed", "This method is not served here.\n"},
    {408, "Request Timeout", "The request did not come in time.\n"},
    {413, "Content Too Large", "The request is too large.\n"},
    {414, "URI Too Long", "The address of the request is too long.\n"},
    {417, "Expectation Failed", "The request expects what is not offered here.\n"},
    {421, "Misdirected Request", "This connection is not for the host of the request.\n"},
    {429, "Too Many Requests", "Too many connections are open from your address.\n"},
    {431, "Request Header Fields Too Large", "The head of the request is too large.\n"},
    {501, "Not Implemented", "The request uses what is not offered here.\n"},
    {502, "Bad Gateway", "The server could not be reached.\n"},
    {503, "Service Unavailable", "The service is too busy at the moment.\n"},
    {504, "Gateway Timeout", "The server did not answer in time.\n"},
    {505, "HTTP Version Not Supported", "This version of HTTP is not spoken here.\n"},
};

/* Where that of the status would not be true, or says too little. */
static const struct wording {
    const char *body;
    const char *field; /* with its CRLF, or NULL */
} wordings[END_COUNT] = {
    [END_CLIENT_HELLO] = {"This port is for https: ask again by https.\n", NULL},
    [END_CLIENT_RATE] = {"Your address opens connections too fast.\n", "Retry-After: 1\r\n"},
    [END_SERVERS_DOWN] = {"The service is down at the moment.\n", NULL},
    [END_DRAINED] = {"The service is out of use at the moment.\n", NULL},
    [END_STOPPED] = {"The service stops or starts anew at the moment.\n", NULL},
    [END_NO_ANSWER] = {"The server ended without an answer.\n", NULL},
    [END_BAD_ANSWER] = {"The server's answer could not be understood.\n", NULL},
};

/* All but CONNECT are, others than these, too. RFC 9110, 15.5.6: 405 names some. */
#define ALLOWED "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n"

static const struct answer *find_answer(int status) {
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (answers[i].status == status)
            return &answers[i];
    return NULL;
}

const char *answer_reason(int status) {
    const struct answer *answer = find_answer(status);

    CHECK(answer != NULL);
    return answer->reason;
}

/* An end without a status of its own is answered with one alone. */
static bool is_answered_by(enum end end, int status) {
    return end_infos[end].status == status || end_infos[end].status == 0;
}

static const char *words_of(int status, enum end end) {
    const struct answer *answer = find_answer(status);

    CHECK(answer != NULL); /* tests/lint: each status of ends.def has one */
    return wordings[end].body != NULL && is_answered_by(end, status) ? wordings[end].body
                                                                     : answer->body;
}

struct error_page answer_page(int status, enum end end, const struct error_pages *pages) {
    const struct error_page *page = error_pages_find(pages, status);
    const char *words = words_of(status, end);

    if (page != NULL)
        return *page;
    return (struct error_page){"text/plain", words, strlen(words)};
}

size_t answer_head(char ret_head[ANSWER_HEAD_MAX], int status, enum end end,
                   const struct error_page *page, const char *connection) {
    const char *field = wordings[end].field != NULL ? wordings[end].field
                        : status == 405             ? ALLOWED
                                                    : "";

    return (size_t)snprintf(ret_head, ANSWER_HEAD_MAX,
                            "HTTP/1.1 %d %s\r\n"
                            "Content-Type: %s\r\n"
                            "Content-Length: %zu\r\n"
                            "%s%s"
                            "\r\n",
                            status, answer_reason(status), page->type, page->n, field, connection);
}

#define UNRECOGNIZED_NAME 112 /* RFC 6066, 3 */

bool answer_is_alert(enum end end) {
    return end == END_UNKNOWN_NAME;
}

/* The socket is new and its send buffer empty, and has room: this cannot block, and if the client
 * is gone there is nobody to tell. */
static void send_parts(int fd, struct iovec *parts, size_t n) {
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += parts[i].iov_len;
    sockopt_make_room(fd, size);
    (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_sealed(int fd, struct tls_session *tls, const struct iovec *parts, size_t n) {
    struct iovec sealed;
    uint8_t *records = tls_session_seal_all(tls, parts, n, &sealed.iov_len);

    if (records == NULL)
        return;
    sealed.iov_base = records;
    NONCES_LEAVE();
    send_parts(fd, &sealed, 1);
    free(records);
}

static void send_page(int fd, struct tls_session *tls, enum end end,
                      const struct error_pages *pages) {
    int status = end_infos[end].status;
    struct error_page page = answer_page(status, end, pages);
    char head[ANSWER_HEAD_MAX];
    size_t n = answer_head(head, status, end, &page, ANSWER_CLOSE);
    struct iovec parts[] = {{head, n}, {(void *)(uintptr_t)page.body, page.n}};

    if (tls != NULL)
        send_sealed(fd, tls, parts, ARRAY_LEN(parts));
    else
        send_parts(fd, parts, ARRAY_LEN(parts));
}

/* A record of its own: RFC 8446, 5.1 and 6. */
void answer_alert(int fd, uint8_t description) {
    unsigned char alert[] = {21, 3, 3, 0, 2, 2, description};
    struct iovec part = {alert, sizeof(alert)};

    send_parts(fd, &part, 1);
}

void answer_send(int fd, struct tls_session *tls, enum end end, const struct error_pages *pages) {
    if (answer_is_alert(end))
        answer_alert(fd, UNRECOGNIZED_NAME);
    else
        send_page(fd, tls, end, pages);
    (void)shutdown(fd, SHUT_WR);
    sockopt_set_for_end(fd);
}
