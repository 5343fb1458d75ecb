#include "keeper/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* Room for the descriptors of one message, aligned as cmsg(3) wants it. */
union control {
    struct cmsghdr align;
    char room[CMSG_SPACE(KEEPER_FDS * sizeof(int))];
};

struct keeper_message keeper_message(enum keeper_type type) {
    return (struct keeper_message){
        .head = {.magic = KEEPER_MAGIC, .version = KEEPER_VERSION, .type = (uint16_t)type},
        .fd = {-1, -1, -1, -1, -1, -1}};
}

void keeper_message_add(struct keeper_message *message, const void *bytes, size_t n) {
    CHECK(n <= sizeof(message->bytes) - message->n_bytes);
    memcpy(message->bytes + message->n_bytes, bytes, n);
    message->n_bytes += n;
}

void keeper_message_name(const struct keeper_message *message, size_t skip,
                         char ret_name[KEEPER_NAME_MAX]) {
    ret_name[0] = '\0';
    if (skip < message->n_bytes)
        snprintf(ret_name, KEEPER_NAME_MAX, "%.*s", (int)(message->n_bytes - skip),
                 message->bytes + skip);
}

int keeper_send(int fd, const struct keeper_message *message, int flags) {
    struct keeper_message *from =
        (struct keeper_message *)(uintptr_t)message; /* iovec has no const */
    struct iovec parts[2] = {{&from->head, sizeof(from->head)},
                             {from->bytes, from->n_indexes > 0
                                               ? from->n_indexes * sizeof(from->indexes[0])
                                               : from->n_bytes}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = parts[1].iov_len > 0 ? 2 : 1};
    union control control;

    if (message->n_fd > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(message->n_fd * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(message->n_fd * sizeof(int));
        memcpy(CMSG_DATA(&control.align), message->fd, message->n_fd * sizeof(int));
    }
    return sendmsg(fd, &msg, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take_descriptors(struct msghdr *msg, struct keeper_message *message) {
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        /* No more than KEEPER_FDS: there was no room for more. */
        message->n_fd = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(message->fd, CMSG_DATA(cmsg), message->n_fd * sizeof(int));
    }
}

int keeper_receive(int fd, struct keeper_message *ret_message) {
    struct keeper_message message = keeper_message(0);
    struct iovec parts[2] = {{&message.head, sizeof(message.head)},
                             {message.indexes, sizeof(message.indexes)}};
    union control control;
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = control.room,
                         .msg_controllen = sizeof(control.room)};
    ssize_t n;

    /* The other end went and left something unread: this error comes once, before its last
     * words. */
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == ECONNRESET);
    if (n < 0)
        return -errno;
    take_descriptors(&msg, &message);
    if (n == 0 && message.n_fd == 0)
        return 0;
    message.cut = (msg.msg_flags & MSG_CTRUNC) != 0;
    if ((size_t)n < sizeof(message.head) || message.head.magic != KEEPER_MAGIC ||
        (msg.msg_flags & MSG_TRUNC) != 0) {
        keeper_message_drop(&message);
        return -EBADMSG;
    }
    message.n_bytes = (size_t)n - sizeof(message.head);
    message.n_indexes = message.n_bytes / sizeof(message.indexes[0]);
    *ret_message = message;
    return 1;
}

void keeper_message_drop(struct keeper_message *message) {
    for (size_t i = 0; i < KEEPER_FDS; i++)
        fd_close(&message->fd[i]);
    message->n_fd = 0;
}
