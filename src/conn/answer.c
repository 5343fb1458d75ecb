#include "conn/answer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/sockopt.h"
#include "tls/session.h"

/* RFC 9110, 15.5 and 15.6; RFC 6585, 4. */
static const struct answer {
    int status;
    const char *reason;
    const char *body;
} answers[] = {
    {400, "Bad Request", "This port is for https: ask again by https.\n"},
    {403, "Forbidden", "You may not use this service.\n"},
    {429, "Too Many Requests", "Too many connections are open from your address.\n"},
    {502, "Bad Gateway", "The server could not be reached.\n"},
    {503, "Service Unavailable", "The service is too busy at the moment.\n"},
    {504, "Gateway Timeout", "The server did not answer in time.\n"},
};

/* Where that of the status would not be true, or says too little. */
static const struct wording {
    const char *body;
    const char *field; /* with its CRLF, or NULL */
} wordings[END_COUNT] = {
    [END_CLIENT_RATE] = {"Your address opens connections too fast.\n", "Retry-After: 1\r\n"},
    [END_SERVERS_DOWN] = {"The service is down at the moment.\n", NULL},
    [END_DRAINED] = {"The service is out of use at the moment.\n", NULL},
    [END_STOPPED] = {"The service stops or starts anew at the moment.\n", NULL},
};

static const struct answer *find_answer(int status) {
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (answers[i].status == status)
            return &answers[i];
    return NULL;
}

/* The page of a listener, else our words. */
static struct error_page page_for(enum end end, const struct answer *answer,
                                  const struct error_pages *pages) {
    const struct error_page *page = error_pages_find(pages, answer->status);
    const char *words = wordings[end].body != NULL ? wordings[end].body : answer->body;

    if (page != NULL)
        return *page;
    return (struct error_page){"text/plain", words, strlen(words)};
}

/* The handshake has not begun: in plaintext, fatal, unrecognized_name (RFC 6066, 3; RFC 8446, 5.1
 * and 6). */
static const unsigned char alert[] = {21, 3, 3, 0, 2, 2, 112};

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
    send_parts(fd, &sealed, 1);
    free(records);
}

static void send_page(int fd, struct tls_session *tls, enum end end,
                      const struct error_pages *pages) {
    const struct answer *answer = find_answer(end_infos[end].status);
    const char *field = wordings[end].field;
    char head[512];

    CHECK(answer != NULL); /* tests/lint: each status of ends.def has one */
    struct error_page page = page_for(end, answer, pages);
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d %s\r\n"
                     "Content-Type: %s\r\n"
                     "Content-Length: %zu\r\n"
                     "%s"
                     "Connection: close\r\n"
                     "\r\n",
                     answer->status, answer->reason, page.type, page.n, field != NULL ? field : "");
    struct iovec parts[] = {{head, (size_t)n}, {(void *)(uintptr_t)page.body, page.n}};

    if (tls != NULL)
        send_sealed(fd, tls, parts, ARRAY_LEN(parts));
    else
        send_parts(fd, parts, ARRAY_LEN(parts));
}

void answer_send(int fd, struct tls_session *tls, enum end end, const struct error_pages *pages) {
    struct iovec part = {(void *)(uintptr_t)alert, sizeof(alert)};

    if (answer_is_alert(end))
        send_parts(fd, &part, 1);
    else
        send_page(fd, tls, end, pages);
    (void)shutdown(fd, SHUT_WR);
    sockopt_set_for_end(fd);
}
