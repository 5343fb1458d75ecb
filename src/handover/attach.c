/* Attaching to a keeper: the dialogue before the link is used. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/grow.h"
#include "handover/link_inside.h"

#define PATIENCE                                                                                   \
    (5 * USEC_PER_SEC) /* with a keeper that systemd has yet to start, or that is busy */
#define PATIENCE_IN_ALL (30 * USEC_PER_SEC) /* with one that does not come to its END */
#define RESERVE         64 /* descriptors that are left where there are too few to take all */

static enum link_outcome fail_attach(struct link_why *why, int error) {
    why->error = error;
    why->want = error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
    return LINK_FAILED;
}

/* Tells nothing to whoever is not trusted. */
enum link_outcome link_dial(const char *path, int *ret_fd, struct link_why *ret_why) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval patience = clock_timeval(PATIENCE);
    bool trusted;

    strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
    int r = trust_place(path, &trusted, ret_why->text);
    if (r < 0)
        return r == -ENOENT ? LINK_NOBODY : fail_attach(ret_why, -r);
    if (!trusted)
        return LINK_UNTRUSTED;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_attach(ret_why, errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        int error = errno;

        fd_close(&fd);
        if (error == ENOENT || error == ECONNREFUSED)
            return LINK_NOBODY;
        return error == EAGAIN ? LINK_SILENT : fail_attach(ret_why, error);
    }
    if (!trust_peer(fd, ret_why->text)) {
        fd_close(&fd);
        return LINK_UNTRUSTED;
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

static bool grow_heritage(struct heritage *heritage) {
    struct legacy *conns =
        grow_list(heritage->conns, heritage->n_conns, &heritage->room, sizeof(*conns));

    if (conns == NULL)
        return false;
    heritage->conns = conns;
    return true;
}

/* How far the keeper's answer has come. */
struct hearing {
    struct heritage *heritage;
    struct link_why *why;
    bool greeted, last;
    bool full;     /* there are no descriptors for more */
    uint64_t next; /* slots come in order, each once: those below are done */
};

/* This process needs some for other things: the last connections give theirs back. */
static void leave_room(struct heritage *heritage) {
    size_t n = 0;

    for (size_t i = heritage->n_conns; i-- > 0 && n < RESERVE;)
        for (size_t k = 0; k < KEEPER_FDS; k++) {
            n += heritage->conns[i].fd[k] >= 0;
            fd_close(&heritage->conns[i].fd[k]);
        }
}

/* Where there are no descriptors for it, it is known all the same, and will be given up alone. */
static enum link_outcome inherit_conn(struct hearing *hearing, struct keeper_message *message) {
    struct heritage *heritage = hearing->heritage;

    if (!grow_heritage(heritage))
        return fail_attach(hearing->why, ENOMEM);
    if (message->cut && !hearing->full) {
        leave_room(heritage);
        hearing->full = true;
    }
    struct legacy *legacy = &heritage->conns[heritage->n_conns++];
    legacy->slot = message->head.index - KEEPER_CONNECTIONS;
    for (size_t k = 0; k < KEEPER_FDS; k++)
        legacy->fd[k] = hearing->full ? -1 : fd_take(&message->fd[k]);
    return LINK_OK;
}

/* A slot that is held. What is not understood, or comes twice, is dropped. */
static enum link_outcome inherit_slot(struct hearing *hearing, struct keeper_message *message) {
    struct heritage *heritage = hearing->heritage;
    size_t index = message->head.index;

    if (message->cut && index < KEEPER_CONNECTIONS)
        return fail_attach(hearing->why, EMFILE);
    if (index < hearing->next || index >= KEEPER_CONNECTIONS + heritage->n_slots)
        return LINK_OK;
    hearing->next = (uint64_t)index + 1;
    if (index == KEEPER_TABLE && message->n_fd == 1) {
        heritage->table = fd_take(&message->fd[0]);
    } else if (index >= KEEPER_LISTENERS && index < KEEPER_CONNECTIONS && message->n_fd == 1) {
        heritage->listeners[index - KEEPER_LISTENERS] = fd_take(&message->fd[0]);
    } else if (index >= KEEPER_CONNECTIONS && (message->cut || message->n_fd == KEEPER_FDS ||
                                               message->n_fd == KEEPER_CONNECTION_FDS)) {
        return inherit_conn(hearing, message);
    }
    return LINK_OK;
}

static enum link_outcome take_refusal(struct link_why *why, const struct keeper_message *message) {
    char name[KEEPER_NAME_MAX];

    keeper_message_name(message, 0, name);
    snprintf(why->text, sizeof(why->text), "%s", name[0] != '\0' ? name : "unknown");
    switch (message->head.count) {
    case KEEPER_BUSY:
        return LINK_BUSY;
    case KEEPER_FOREIGN:
        return LINK_FOREIGN;
    default:
        return LINK_OTHER_VERSION;
    }
}

/* A moment to come, or from before this machine's clock began, is now. */
static usec_t take_moment(int64_t usec) {
    usec_t now = clock_now();

    return usec > 0 && usec < now ? usec : usec != 0 ? now : 0;
}

/* One message of the answer, which may be the last one. */
static enum link_outcome take_answer(struct hearing *hearing, struct keeper_message *message) {
    struct heritage *heritage = hearing->heritage;

    hearing->why->version = message->head.version;
    if (message->head.type == KEEPER_REFUSED)
        return take_refusal(hearing->why, message);
    if (message->head.version != KEEPER_VERSION)
        return LINK_OTHER_VERSION;
    if (hearing->greeted != (message->head.type != KEEPER_HELLO))
        return fail_attach(hearing->why, EBADMSG);
    switch (message->head.type) {
    case KEEPER_HELLO:
        hearing->greeted = true;
        heritage->n_slots =
            message->head.index > KEEPER_CONNECTIONS ? message->head.index - KEEPER_CONNECTIONS : 0;
        heritage->gone = take_moment(message->head.usec);
        return LINK_OK;
    case KEEPER_HOLD:
        return inherit_slot(hearing, message);
    case KEEPER_END:
        hearing->last = true;
        return LINK_OK;
    default:
        return fail_attach(hearing->why, EBADMSG);
    }
}

enum link_outcome link_take_answers(int fd, struct heritage *heritage, struct link_why *ret_why) {
    struct hearing hearing = {.heritage = heritage, .why = ret_why};
    usec_t deadline = clock_now() + PATIENCE_IN_ALL;
    enum link_outcome outcome = LINK_OK;
    struct keeper_message message;

    while (outcome == LINK_OK && !hearing.last) {
        int r = clock_now() < deadline ? keeper_receive(fd, &message) : -EAGAIN;

        if (r == 0 || r == -EAGAIN)
            return LINK_SILENT;
        if (r < 0)
            return fail_attach(ret_why, -r);
        outcome = take_answer(&hearing, &message);
        keeper_message_drop(&message);
    }
    return outcome;
}

int link_await_pong(int fd) {
    struct keeper_message message = keeper_message(KEEPER_PING);
    usec_t deadline = clock_now() + PATIENCE;
    int r = keeper_send(fd, &message, 0);

    while (r >= 0 && (r = keeper_receive(fd, &message)) > 0) {
        keeper_message_drop(&message);
        if (clock_now() >= deadline)
            return -ETIMEDOUT;
        if (message.head.type == KEEPER_PONG)
            return 0;
    }
    if (r == -EBADMSG)
        (void)shutdown(fd, SHUT_RDWR); /* nothing more that it says is believed */
    return r == 0 ? -EPIPE : r;
}

void link_drop_held(int fd) {
    struct keeper_message forget = keeper_message(KEEPER_FORGET);

    if (keeper_send(fd, &forget, 0) == 0)
        (void)link_await_pong(fd);
}

/* A keeper that has refused and closed before this is heard all the same. */
static enum link_outcome send_attach(int fd, const struct link_terms *terms, bool drop,
                                     struct link_why *why) {
    struct keeper_message attach = keeper_message(KEEPER_ATTACH);

    attach.head.usec = terms->keeper_timeout;
    attach.head.index = (uint32_t)terms->room;
    attach.head.count = drop;
    keeper_message_add(&attach, terms->name, strlen(terms->name));
    int r = keeper_send(fd, &attach, 0);
    if (r == -EAGAIN)
        return LINK_SILENT;
    return r == 0 || r == -EPIPE ? LINK_OK : fail_attach(why, -r);
}

enum link_outcome link_attach(const struct link_terms *terms, bool drop, int *ret_fd,
                              struct heritage *ret_heritage, struct link_why *ret_why) {
    struct heritage heritage = heritage_none();
    struct link_why why = {.error = 0};
    int fd = -1;
    enum link_outcome outcome = link_dial(terms->path, &fd, &why);

    if (outcome == LINK_OK)
        outcome = send_attach(fd, terms, drop, &why);
    if (outcome == LINK_OK)
        outcome = link_take_answers(fd, &heritage, &why);
    if (outcome != LINK_OK) {
        heritage_free(&heritage);
        if (outcome == LINK_FAILED && why.want && fd >= 0)
            link_drop_held(fd); /* nobody else will take it */
        fd_close(&fd);
        *ret_why = why;
        return outcome;
    }
    *ret_fd = fd;
    *ret_heritage = heritage;
    return LINK_OK;
}
