/* What relayds say to a keeper, in any order and in any state: it closes all that it was given,
 * once. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/keeper.h"

#define CONNECTIONS 2
#define SLOTS       (KEEPER_CONNECTIONS + CONNECTIONS)
#define FDS_MAX     8 /* of one packet: more than a keeper takes */

/* What is left of the input. */
struct input {
    const uint8_t *bytes;
    size_t n;
};

static uint8_t take(struct input *input) {
    if (input->n == 0)
        return 0;
    input->n--;
    return *input->bytes++;
}

static size_t take_bytes(struct input *input, void *to, size_t n) {
    n = n < input->n ? n : input->n;
    memcpy(to, input->bytes, n);
    input->bytes += n;
    input->n -= n;
    return n;
}

/* Half of them are connections', of which half are there. */
static uint32_t take_index(struct input *input) {
    uint32_t index = take(input);

    return index < 128 ? KEEPER_CONNECTIONS + index % (2 * CONNECTIONS) : 2 * index - 256;
}

static size_t count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int null_device(void) {
    static int fd = -1;

    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void send_packet(int fd, void *bytes, size_t size, size_t n_fd) {
    struct iovec part = {bytes, size};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};

    if (n_fd > 0) {
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(n_fd * sizeof(int));
        control.align.cmsg_len = CMSG_LEN(n_fd * sizeof(int));
        for (size_t i = 0; i < n_fd; i++) {
            int null = null_device();

            memcpy(CMSG_DATA(&control.align) + i * sizeof(int), &null, sizeof(null));
        }
    }
    (void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A message, mostly one that makes sense where it comes. */
static void send_message(int fd, struct input *input) {
    static const uint8_t types[16] = {2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 1, 4, 5, 6, 12, 10};
    static const size_t fds[8] = {6, 6, 6, 2, 2, 1, 0, FDS_MAX};
    struct keeper_message message = keeper_message(types[take(input) % ARRAY_LEN(types)]);
    uint8_t how = take(input), kept = (how & 8) != 0;

    message.head.index = take_index(input);
    message.head.count = (how & 16) != 0;
    switch (how >> 5) {
    case 0:
        message.head.magic ^= take(input);
        message.head.version ^= take(input);
        break;
    case 1:
        (void)take_bytes(input, &message.head.index, sizeof(message.head.index));
        (void)take_bytes(input, &message.head.usec, sizeof(message.head.usec));
        break;
    case 2:
        message.n_indexes = take(input) % (KEEPER_INDEXES + 1);
        break;
    case 3:
        break;
    default:
        message.n_indexes = 1;
    }
    for (size_t i = 0; i < message.n_indexes; i++)
        message.indexes[i] = take_index(input) | (kept ? KEEPER_KEEP_PIPES : 0);
    /* (The indexes follow the head in the struct as they do in the packet.) */
    send_packet(fd, &message, sizeof(message.head) + message.n_indexes * sizeof(message.indexes[0]),
                fds[how % ARRAY_LEN(fds)]);
}

static void send_nonsense(int fd, struct input *input) {
    char packet[512];
    size_t n_fd = take(input) % (FDS_MAX + 1), size = (size_t)take(input) * 2;

    send_packet(fd, packet, take_bytes(input, packet, size), n_fd);
}

static int new_socket(void) {
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    return fd;
}

static int come(int listening, bool attach) {
    struct keeper_message message = keeper_message(KEEPER_ATTACH);
    struct sockaddr_un at;
    socklen_t size = sizeof(at);
    int fd = new_socket();

    CHECK(getsockname(listening, (struct sockaddr *)&at, &size) == 0);
    CHECK(connect(fd, (struct sockaddr *)&at, size) == 0);
    if (attach)
        (void)keeper_send(fd, &message, MSG_DONTWAIT);
    return fd;
}

static void read_all(int fd) {
    char packet[512];

    for (;;) {
        ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != ECONNRESET))
            return;
    }
}

static void check_slots(const struct keeper *keeper) {
    for (size_t i = 0; i < keeper->n_slots; i++) {
        const struct keeper_slot *slot = &keeper->slots[i];

        for (size_t j = 0; j < KEEPER_FDS; j++) {
            CHECK(slot->fd[j] < 0 || fcntl(slot->fd[j], F_GETFD) == FD_CLOEXEC);
            CHECK(i < KEEPER_CONNECTIONS || slot->fd[0] < 0 || slot->fd[j] >= 0);
        }
    }
}

/* All that can be done now. The keeper's patience with relayds that do not read is shortened. */
static void settle(struct keeper *keeper) {
    struct timeval patience = {.tv_usec = 1000};

    for (;;) {
        struct pollfd ready[2] = {{.fd = keeper->client, .events = POLLIN},
                                  {.fd = keeper->socket, .events = POLLIN}};

        if (poll(ready, 2, 0) == 0)
            return;
        CHECK(keeper_step(keeper) == 0);
        if (keeper->client >= 0)
            (void)setsockopt(keeper->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct input input = {bytes, n};
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    struct keeper keeper;

    log_set_level(LOG_LEVEL_ERROR);
    (void)null_device();
    size_t before = count_descriptors();
    int listening = new_socket(), relayd[2] = {-1, -1};
    CHECK(bind(listening, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
    CHECK(listen(listening, 16) == 0);
    CHECK(keeper_init(&keeper, listening, SLOTS) == 0);
    (void)memcpy(keeper.name, "x", 2);
    while (input.n > 0) {
        uint8_t what = take(&input);
        int *fd = &relayd[what & 1];

        if ((what & 14) == 2)
            fd_close(fd);
        else if (*fd < 0)
            *fd = come(listening, (what & 64) == 0);
        else if ((what & 14) == 4)
            send_nonsense(*fd, &input);
        else
            send_message(*fd, &input);
        if ((what & 16) != 0) /* else more comes at once */
            settle(&keeper);
        if (*fd >= 0 && (what & 32) == 0)
            read_all(*fd);
        check_slots(&keeper);
    }
    fd_close(&relayd[0]);
    fd_close(&relayd[1]);
    settle(&keeper);
    check_slots(&keeper);
    keeper.timeout = 0;
    if (keeper.gone != 0)
        CHECK(keeper_step(&keeper) == 0 && keeper.gone == 0);
    keeper_free(&keeper);
    CHECK(count_descriptors() == before);
    return 0;
}
