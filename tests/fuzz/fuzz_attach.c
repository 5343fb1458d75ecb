/* What a keeper answers to a relayd that attaches: whatever it is, and however many descriptors
 * come with it, each is the heritage's, once, or closed. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "handover/link_inside.h"

#define SLOTS 4

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

/* Each message takes five bytes: type, index, descriptors, count, and what is wrong with it. */
static void answer(int fd, const uint8_t bytes[5]) {
    static const enum keeper_type types[] = {KEEPER_HOLD, KEEPER_HOLD,    KEEPER_HOLD, KEEPER_HELLO,
                                             KEEPER_END,  KEEPER_REFUSED, KEEPER_LOST, KEEPER_PONG};
    struct keeper_message message = keeper_message(types[bytes[0] % ARRAY_LEN(types)]);

    message.head.index = bytes[1] < 128 ? bytes[1] : KEEPER_CONNECTIONS + bytes[1] - 128u;
    if (message.head.type == KEEPER_HELLO)
        message.head.index = KEEPER_CONNECTIONS + SLOTS;
    message.n_fd = bytes[2] % (KEEPER_FDS + 1);
    for (size_t i = 0; i < message.n_fd; i++)
        message.fd[i] = null_device();
    message.head.count = bytes[3] % 5;
    if (bytes[4] >= 128)
        keeper_message_add(&message, bytes, 5);
    if (bytes[4] % 128 == 1)
        message.head.version++;
    if (bytes[4] % 128 == 2)
        message.head.magic++;
    if (bytes[4] % 128 == 3)
        (void)send(fd, bytes, bytes[3] % 6, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        (void)keeper_send(fd, &message, MSG_DONTWAIT);
}

static void check_heritage(const struct heritage *heritage) {
    for (size_t i = 0; i < heritage->n_conns; i++) {
        CHECK(heritage->conns[i].slot < heritage->n_slots);
        CHECK(i == 0 || heritage->conns[i].slot > heritage->conns[i - 1].slot);
        bool piped = heritage->conns[i].fd[KEEPER_CONNECTION_FDS] >= 0; /* all pipes, or none */
        for (size_t k = 0; k < KEEPER_FDS; k++)
            CHECK(k >= KEEPER_CONNECTION_FDS && !piped
                      ? heritage->conns[i].fd[k] == -1
                      : fcntl(heritage->conns[i].fd[k], F_GETFD) == FD_CLOEXEC);
    }
    for (size_t i = 0; i < KEEPER_LISTENERS_MAX; i++)
        CHECK(heritage->listeners[i] < 0 || fcntl(heritage->listeners[i], F_GETFD) == FD_CLOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct heritage heritage = heritage_none();
    struct link_why why = {.error = 0};
    int ends[2];

    (void)null_device();
    size_t before = count_descriptors();
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    for (size_t i = 0; i + 5 <= n; i += 5)
        answer(ends[1], bytes + i);
    fd_close(&ends[1]);
    enum link_outcome outcome = link_take_answers(ends[0], &heritage, &why);
    CHECK(memchr(why.text, '\0', sizeof(why.text)) != NULL);
    CHECK((outcome == LINK_FAILED) == (why.error != 0));
    check_heritage(&heritage);
    heritage_free(&heritage);
    fd_close(&ends[0]);
    CHECK(count_descriptors() == before);
    return 0;
}
