/* A keeper in the test's own thread, and the relayds that come to it. */
#ifndef KEEPER_PEER_H
#define KEEPER_PEER_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/keeper.h"

#define SLOTS (KEEPER_CONNECTIONS + 400)
#define SLOT  (KEEPER_CONNECTIONS + 3) /* a connection's */
#define HOUR  (3600 * USEC_PER_SEC)

/* The descriptors of a slot, each an end of a socket pair: its other end tells whether anybody has
 * it still. */
struct six {
    int near[KEEPER_FDS], far[KEEPER_FDS];
};

static inline void six_open(struct six *six) {
    for (int i = 0; i < KEEPER_FDS; i++) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        six->near[i] = ends[0];
        six->far[i] = ends[1];
    }
}

/* As a relayd does that dies. */
static inline void six_let_go(struct six *six) {
    for (int i = 0; i < KEEPER_FDS; i++)
        fd_close(&six->near[i]);
}

static inline void six_close(struct six *six) {
    six_let_go(six);
    for (int i = 0; i < KEEPER_FDS; i++)
        fd_close(&six->far[i]);
}

/* One character for each: 'o' open, 'c' closed by all. */
static inline const char *six_state(const struct six *six) {
    static char state[KEEPER_FDS + 1];
    char byte;

    for (int i = 0; i < KEEPER_FDS; i++) {
        ssize_t n = recv(six->far[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);

        state[i] = n == 0 ? 'c' : 'o';
    }
    return state;
}

static inline size_t count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static size_t descriptors; /* open before the test opened any */

static inline void open_keeper(struct keeper *keeper) {
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    descriptors = count_descriptors() - 1;
    /* An address without a name is one that the kernel chooses, unix(7). */
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(keeper_init(keeper, fd, SLOTS), 0);
}

static inline void close_keeper(struct keeper *keeper) {
    keeper_free(keeper);
    assert_int_equal(count_descriptors(), descriptors);
}

/* All that can be done now. */
static inline void settle(struct keeper *keeper) {
    for (;;) {
        struct pollfd ready[2] = {{.fd = keeper->client, .events = POLLIN},
                                  {.fd = keeper->socket, .events = POLLIN}};

        if (poll(ready, 2, 0) == 0)
            return;
        assert_int_equal(keeper_step(keeper), 0);
    }
}

/* A relayd that has not yet said anything. */
static inline int come(const struct keeper *keeper) {
    struct sockaddr_un at;
    struct timeval patience = {.tv_sec = 10};
    socklen_t size = sizeof(at);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(keeper->socket, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return fd;
}

static inline void say(int fd, enum keeper_type type, uint32_t index, usec_t usec) {
    struct keeper_message message = keeper_message(type);

    message.head.index = index;
    message.head.usec = usec;
    assert_int_equal(keeper_send(fd, &message, 0), 0);
}

static inline void say_attach(int fd, uint32_t count, usec_t timeout) {
    struct keeper_message message = keeper_message(KEEPER_ATTACH);

    message.head.index = SLOTS - KEEPER_CONNECTIONS;
    message.head.count = count;
    message.head.usec = timeout;
    assert_int_equal(keeper_send(fd, &message, 0), 0);
}

static inline void say_hold(int fd, uint32_t index, const struct six *six, size_t n_fd) {
    struct keeper_message message = keeper_message(KEEPER_HOLD);

    message.head.index = index;
    message.n_fd = n_fd;
    memcpy(message.fd, six->near, n_fd * sizeof(int));
    assert_int_equal(keeper_send(fd, &message, 0), 0);
}

static inline void say_release(int fd, uint32_t which) {
    struct keeper_message message = keeper_message(KEEPER_RELEASE);

    message.indexes[message.n_indexes++] = which;
    assert_int_equal(keeper_send(fd, &message, 0), 0);
}

/* What the keeper says next; the test wants none of its descriptors, only their number. */
static inline struct keeper_message hear(int fd) {
    struct keeper_message message;

    assert_int_equal(keeper_receive(fd, &message), 1);
    size_t n_fd = message.n_fd;
    keeper_message_drop(&message);
    message.n_fd = n_fd;
    return message;
}

static inline void is_cut_off(int fd) {
    struct keeper_message message;

    assert_int_equal(keeper_receive(fd, &message), 0);
    fd_close(&fd);
}

static inline void says_nothing(int fd) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&ready, 1, 0), 0);
}

static inline void is_refused(int fd, enum keeper_refusal why) {
    struct keeper_message refused = hear(fd);

    assert_int_equal(refused.head.type, KEEPER_REFUSED);
    assert_int_equal(refused.head.count, why);
    assert_int_equal(refused.head.version, KEEPER_VERSION);
    is_cut_off(fd);
}

/* A relayd that is given nothing back. */
static inline int begin(struct keeper *keeper, usec_t timeout) {
    int fd = come(keeper);

    say_attach(fd, 0, timeout);
    settle(keeper);
    struct keeper_message hello = hear(fd);
    assert_int_equal(hello.head.type, KEEPER_HELLO);
    assert_int_equal(hello.head.index, SLOTS);
    assert_int_equal(hello.head.count, 0);
    assert_int_equal(hello.head.usec, 0);
    assert_int_equal(hear(fd).head.type, KEEPER_END);
    says_nothing(fd);
    return fd;
}

/* A relayd that is given back this slot, with so many descriptors. */
static inline int adopt(struct keeper *keeper, uint32_t index, size_t n_fd) {
    int fd = come(keeper);

    say_attach(fd, 0, HOUR);
    settle(keeper);
    struct keeper_message hello = hear(fd), held = hear(fd);
    assert_int_equal(hello.head.type, KEEPER_HELLO);
    assert_int_equal(hello.head.count, index >= KEEPER_CONNECTIONS);
    assert_in_range(hello.head.usec, 1, clock_now());
    assert_int_equal(held.head.type, KEEPER_HOLD);
    assert_int_equal(held.head.index, index);
    assert_int_equal(held.n_fd, n_fd);
    assert_int_equal(hear(fd).head.type, KEEPER_END);
    return fd;
}

static inline void leave(struct keeper *keeper, int fd) {
    fd_close(&fd);
    settle(keeper);
}

#endif
