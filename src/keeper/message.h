/* What relayd and relayd-keeper say to each other, over a SOCK_SEQPACKET socket: one message a
 * packet, with the descriptors that it is about as ancillary data (SCM_RIGHTS, unix(7)).
 *
 * relayd begins with ATTACH. The keeper answers REFUSED and closes, or HELLO, a HOLD for each slot
 * that is held, and END. From then on relayd tells what is to be held and what no more, and the
 * keeper is silent but for LOST and PONG.
 *
 * unchanging: the head, YIELD and what answers it mean the same in every version, so that each end
 * can say which version the other one is, and a keeper can be told to get out of the way by a
 * relayd that it does not understand otherwise. */
#ifndef KEEPER_MESSAGE_H
#define KEEPER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/check.h"

#define KEEPER_SOCKET "/run/relayd/keeper.sock" /* unless said otherwise */
#define KEEPER_MAGIC  0x504b5952u               /* "RYKP" */
#define KEEPER_VERSION                                                                             \
    2 /* of the messages, and of what relayd writes into its table (handover/table.h) */
#define KEEPER_FDS      6   /* of a slot, at most */
#define KEEPER_INDEXES  64  /* in one message */
#define KEEPER_NAME_MAX 128 /* bytes of an instance's name, NUL included */

/* What the slots are for. The keeper counts connections and is otherwise told nothing of it. */
#define KEEPER_TABLE         0 /* the memory in which relayd describes the rest */
#define KEEPER_LISTENERS     1 /* the first of the listening sockets */
#define KEEPER_LISTENERS_MAX 255
#define KEEPER_CONNECTIONS                                                                         \
    (KEEPER_LISTENERS + KEEPER_LISTENERS_MAX) /* the first of the connections */
#define KEEPER_CONNECTION_FDS                                                                      \
    2 /* of which so many are sockets, and the first; the rest are its pipes */

enum keeper_type {
    /* usec: keeper_timeout; index: how many connections may come; bytes: the instance's name; count
     * 1: all that is held from before is dropped */
    KEEPER_ATTACH = 1,
    /* index, fds: they take the place of the slot's first ones; indexes: of RELEASE, done
     * before; count: see LOST */
    KEEPER_HOLD,
    KEEPER_RELEASE,  /* indexes: each slot is emptied, or of its sockets alone: KEEPER_KEEP_PIPES */
    KEEPER_PATIENCE, /* usec, bytes: keeper_timeout and name from now on */
    KEEPER_FORGET,   /* all is released */
    KEEPER_PING,     /* to be answered by PONG */
    /* index: slots that there are; count: those held; usec: when the last relayd went, or 0 */
    KEEPER_HELLO,
    KEEPER_END,
    /* count: enum keeper_refusal; bytes: the name of whose connections are held, if it was told */
    KEEPER_REFUSED,
    KEEPER_LOST, /* index and count of a HOLD: it could not be done, and the slot is empty */
    KEEPER_PONG, /* count: descriptors that YIELD has closed */
    /* Without ATTACH, from any version: a socket is to be bound to the address in the first `index`
     * bytes, and takes IPv4 as well (count 1); the rest is the name. What is held for that name is
     * dropped; of others, listening sockets that are in the way. Answered by PONG, or by REFUSED if
     * a relayd is attached */
    KEEPER_YIELD,
};

enum keeper_refusal {
    KEEPER_OTHER_VERSION = 1,
    KEEPER_BUSY, /* a relayd is attached */
    /* another one's connections are held until that is back, or keeper_timeout is over */
    KEEPER_FOREIGN,
};

#define KEEPER_KEEP_PIPES 0x80000000u

struct keeper_message {
    /* what is sent, followed by n_indexes numbers or n_bytes bytes */
    struct keeper_head {
        uint32_t magic;
        uint16_t version;
        uint16_t type; /* enum keeper_type */
        uint32_t index;
        uint32_t count;
        int64_t usec;
    } head;
    union {
        uint32_t indexes[KEEPER_INDEXES];
        char bytes[KEEPER_INDEXES * sizeof(uint32_t)];
    };
    size_t n_indexes, n_bytes; /* received: both, of the same */
    int fd[KEEPER_FDS];        /* -1: none */
    size_t n_fd;
    bool cut; /* fewer descriptors came than were sent: this process is out of them */
};

_Static_assert(sizeof(struct sockaddr_storage) + KEEPER_NAME_MAX <=
                   KEEPER_INDEXES * sizeof(uint32_t),
               "YIELD has room");

/* An empty message of this type. */
struct keeper_message keeper_message(enum keeper_type type);

/* Appends bytes; there is room for an address and a name. */
void keeper_message_add(struct keeper_message *message, const void *bytes, size_t n);

/* The name that a received message has after so many bytes. */
void keeper_message_name(const struct keeper_message *message, size_t skip,
                         char ret_name[KEEPER_NAME_MAX]);

/* Sends it in one call; the descriptors stay the caller's. flags: of send(2). 0, or -errno (then
 * nothing was sent). Any thread. */
int keeper_send(int fd, const struct keeper_message *message, int flags);

/* Receives one; its descriptors are the caller's, who takes them or drops them. 1; 0 if the other
 * end is gone; -EBADMSG if it is no message (nothing is left to drop), or another -errno. Waits as
 * the socket does. */
int keeper_receive(int fd, struct keeper_message *ret_message) MUST_USE;

/* Closes the descriptors that nobody has taken. */
void keeper_message_drop(struct keeper_message *message);

#endif
