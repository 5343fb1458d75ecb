#include "conn/answer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/sockopt.h"

/* RFC 9110, 15.5 and 15.6. */
static const struct answer {
    int status;
    const char *reason;
    const char *body;
} answers[] = {
    {403, "Forbidden", "You may not use this service.\n"},
    {502, "Bad Gateway", "The server could not be reached.\n"},
    {503, "Service Unavailable", "The service is too busy at the moment.\n"},
    {504, "Gateway Timeout", "The server did not answer in time.\n"},
};

static const struct answer *find_answer(int status) {
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if (answers[i].status == status)
            return &answers[i];
    return NULL;
}

void answer_send(int fd, enum end end) {
    const struct answer *answer = find_answer(end_infos[end].status);
    char text[512];

    CHECK(answer != NULL); /* tests/lint: each status of ends.def has one */
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %d %s\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "Connection: close\r\n"
                     "\r\n%s",
                     answer->status, answer->reason, strlen(answer->body), answer->body);

    /* The socket is new and its send buffer empty: this cannot block, and if the client is gone
     * there is nobody to tell. */
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    sockopt_set_for_end(fd);
}
