/* The origin of uploads: takes requests with a body, discards it without copying, answers 200. A thread
 * for each connection. It ends when its stdin does. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 2048
#define TAKE_MAX (1u << 20)

/* One request. False: the connection has ended. */
static int serve_one(int fd) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char head[HEAD_MAX];
    size_t have = 0;
    char *end = NULL;

    while (end == NULL) {
        ssize_t n = recv(fd, head + have, sizeof(head) - 1 - have, 0);

        if (n <= 0)
            return 0;
        have += (size_t)n;
        head[have] = '\0';
        end = strstr(head, "\r\n\r\n");
        if (end == NULL && have + 1 == sizeof(head))
            return 0;
    }
    const char *length = strcasestr(head, "\r\nContent-Length:");
    uint64_t extra = have - (size_t)(end + 4 - head);
    uint64_t left = length != NULL && length < end ? strtoull(length + 17, NULL, 10) : 0;
    left -= extra < left ? extra : left;
    while (left > 0) {
        ssize_t n = recv(fd, head, left < TAKE_MAX ? (size_t)left : TAKE_MAX, MSG_TRUNC);

        if (n <= 0)
            return 0;
        left -= (uint64_t)n;
    }
    return send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof(answer) - 1);
}

static void *serve(void *argument) {
    int fd = (int)(intptr_t)argument;

    while (serve_one(fd))
        continue;
    close(fd);
    return NULL;
}

static void *accept_all(void *argument) {
    int listener = (int)(intptr_t)argument;

    pthread_t thread;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
    return NULL;
}

static int listen_on(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, SOMAXCONN) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv) {
    char end;

    for (int i = 1; i < argc; i++) {
        int fd = listen_on(atoi(argv[i]));
        pthread_t thread;

        if (fd < 0 || pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)fd) != 0) {
            perror(argv[i]);
            return 71;
        }
    }
    while (read(0, &end, 1) > 0)
        continue;
    return 0;
}
