/* Attaching to a keeper: the dialogue before the link is used. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "relay/link.h"

#define PATIENCE                                                                                   \
    (5 * USEC_PER_SEC) /* with a keeper that systemd has yet to start, or that is busy */

static int dial_keeper(const char *path, int *ret_fd) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = clock_timeval(PATIENCE);

    strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        int error = errno;

        fd_close(&fd);
        if (error == ENOENT || error == ECONNREFUSED)
            return LINK_NOBODY;
        return error == EAGAIN ? LINK_SILENT : -error;
    }
    *ret_fd = fd;
    return LINK_OK;
}

struct heritage heritage_none(void) {
    struct heritage heritage = {.table = -1};

    memset(heritage.listeners, 0xff, sizeof(heritage.listeners)); /* -1 everywhere */
    return heritage;
}

void heritage_free(struct heritage *heritage) {
    fd_close(&heritage->table);
    for (size_t i = 0; i < KEEPER_LISTENERS_MAX; i++)
        fd_close(&heritage->listeners[i]);
    for (size_t i = 0; i < heritage->n_conns; i++)
        for (size_t k = 0; k < KEEPER_FDS; k++)
            fd_close(&heritage->conns[i].fd[k]);
    free(heritage->conns);
    *heritage = heritage_none();
}

static bool make_room(struct heritage *heritage) {
    size_t room = heritage->room > 0 ? 2 * heritage->room : 256;

    if (heritage->n_conns < heritage->room)
        return true;
    struct heir *conns = realloc(heritage->conns, room * sizeof(*conns));
    if (conns == NULL)
        return false;
    heritage->conns = conns;
    heritage->room = room;
    return true;
}

/* One slot that is held; what is not understood is dropped. */
static int inherit(struct heritage *heritage, struct keeper_message *message) {
    size_t index = message->head.index;

    if (message->cut)
        return -EMFILE;
    if (index == KEEPER_TABLE && message->n_fd == 1) {
        heritage->table = fd_take(&message->fd[0]);
    } else if (index >= KEEPER_LISTENERS && index < KEEPER_CONNECTIONS && message->n_fd == 1) {
        heritage->listeners[index - KEEPER_LISTENERS] = fd_take(&message->fd[0]);
    } else if (index >= KEEPER_CONNECTIONS && message->n_fd == KEEPER_FDS) {
        if (!make_room(heritage))
            return -ENOMEM;
        struct heir *heir = &heritage->conns[heritage->n_conns++];
        heir->slot = (uint32_t)(index - KEEPER_CONNECTIONS);
        for (size_t k = 0; k < KEEPER_FDS; k++)
            heir->fd[k] = fd_take(&message->fd[k]);
    }
    return 0;
}

/* One message of the answer, which may be the last one. */
static int take_answer(struct heritage *heritage, struct keeper_message *message, bool *ret_last) {
    heritage->version = message->head.version;
    if (message->head.version != KEEPER_VERSION)
        return LINK_OTHER_VERSION;
    switch (message->head.type) {
    case KEEPER_HELLO:
        heritage->n_slots =
            message->head.index > KEEPER_CONNECTIONS ? message->head.index - KEEPER_CONNECTIONS : 0;
        heritage->gone = message->head.usec;
        return LINK_OK;
    case KEEPER_HOLD:
        return inherit(heritage, message);
    case KEEPER_END:
        *ret_last = true;
        return LINK_OK;
    case KEEPER_REFUSED:
        return message->head.count == KEEPER_BUSY ? LINK_BUSY : LINK_OTHER_VERSION;
    default:
        return -EBADMSG;
    }
}

static int take_answers(int fd, struct heritage *heritage) {
    struct keeper_message message;
    bool last = false;
    int r = LINK_OK;

    while (r == LINK_OK && !last) {
        r = keeper_receive(fd, &message);
        if (r == 0 || r == -EAGAIN)
            return LINK_SILENT;
        if (r < 0)
            return r;
        r = take_answer(heritage, &message, &last);
        keeper_message_drop(&message);
    }
    return r;
}

int link_await_pong(int fd) {
    struct keeper_message message = keeper_message(KEEPER_PING);
    int r = keeper_send(fd, &message, 0);

    while (r >= 0 && (r = keeper_receive(fd, &message)) > 0) {
        keeper_message_drop(&message);
        if (message.head.type == KEEPER_PONG)
            return 0;
    }
    return r == 0 ? -EPIPE : r;
}

int link_attach(const char *path, usec_t keeper_timeout, bool drop, int *ret_fd,
                struct heritage *ret_heritage) {
    struct keeper_message attach = keeper_message(KEEPER_ATTACH);
    struct heritage heritage = heritage_none();
    int fd = -1, r = dial_keeper(path, &fd);

    *ret_heritage = heritage;
    if (r != LINK_OK)
        return r;
    attach.head.usec = keeper_timeout;
    attach.head.count = drop;
    r = keeper_send(fd, &attach, 0);
    if (r == -EAGAIN)
        r = LINK_SILENT;
    else if (r == 0 || r == -EPIPE) /* it may have refused before this */
        r = take_answers(fd, &heritage);
    if (r != LINK_OK) {
        unsigned version = heritage.version;

        heritage_free(&heritage);
        fd_close(&fd);
        *ret_heritage = heritage_none();
        ret_heritage->version = version;
        return r;
    }
    *ret_fd = fd;
    *ret_heritage = heritage;
    return LINK_OK;
}

bool link_make_drop(const char *path) {
    struct heritage dropped;
    int fd = -1;
    bool done = link_attach(path, 0, true, &fd, &dropped) == LINK_OK;

    heritage_free(&dropped);
    fd_close(&fd);
    return done;
}
