#include "conn/answer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sockopt.h"

/* RFC 9110, 15.5 and 15.6: 403 forbidden, 502 bad gateway, 503 service unavailable, 504 gateway timeout. */
struct answer {
    int status;
    const char *reason;
    const char *body;
};

static struct answer answer_for(enum end end) {
    switch ((int)end) {
    case END_NO_NAME:
    case END_DIAL_REFUSED:
    case END_SERVERS_DOWN:
    case END_CUT_OFF:
    case END_LOOP:
        return (struct answer){502, "Bad Gateway", "The server could not be reached.\n"};
    case END_DENIED:
        return (struct answer){403, "Forbidden", "You may not use this service.\n"};
    case END_DIAL_TIMEOUT:
        return (struct answer){504, "Gateway Timeout", "The server did not answer in time.\n"};
    default:
        return (struct answer){503, "Service Unavailable",
                               "The service is too busy at the moment.\n"};
    }
}

void answer_send(int fd, enum end end) {
    struct answer answer = answer_for(end);
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %d %s\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "Connection: close\r\n"
                     "\r\n%s",
                     answer.status, answer.reason, strlen(answer.body), answer.body);

    /* The socket is new and its send buffer empty: this cannot block, and if the client is gone
     * there is nobody to tell. */
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    sockopt_set_for_end(fd);
}
