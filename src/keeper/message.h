/* Messages between relayd and relayd-keeper over a SOCK_SEQPACKET socket: one a packet, with its
 * descriptors (SCM_RIGHTS, unix(7)).
 *
 * relayd begins with ATTACH. The keeper answers REFUSED and closes; or HELLO, a HOLD for each slot
 * in use, and END. Then the keeper says only LOST and PONG.
 *
 * unchanging: the head, YIELD and its answers are the same in every version: each end can tell
 * the other's, and any relayd can have any keeper get out of its way. */
#ifndef KEEPER_MESSAGE_H
#define KEEPER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/check.h"

#define KEEPER_SOCKET   "/run/relayd/keeper.sock" /* unless said otherwise */
#define KEEPER_MAGIC    0x504b5952u               /* "RYKP" */
#define KEEPER_VERSION  12  /* of the messages, and of the table (handover/table.h) */
#define KEEPER_FDS      6   /* of a slot, at most */
#define KEEPER_INDEXES  64  /* in one message */
#define KEEPER_NAME_MAX 128 /* bytes of an instance's name, NUL included */

/* Slots. The keeper counts connections, and knows nothing else of them. */
#define KEEPER_TABLE          0 /* memory in which relayd describes the rest */
#define KEEPER_LISTENERS      1 /* the first listening socket */
#define KEEPER_LISTENERS_MAX  255
#define KEEPER_CONNECTIONS    (KEEPER_LISTENERS + KEEPER_LISTENERS_MAX) /* the first connection */
#define KEEPER_CONNECTION_FDS 2 /* its sockets, which come first; then its pipes, or none */

enum keeper_type {
    /* usec: keeper_timeout; index: connections that may come; bytes: the instance's name; count 1:
     * drop all that is held */
    KEEPER_ATTACH = 1,
    /* index, fds: put first in the slot; indexes: as in RELEASE, done before; count: see LOST */
    KEEPER_HOLD,
    KEEPER_RELEASE, /* indexes: empty the slots; with KEEPER_KEEP_PIPES, of sockets */
    KEEPER_TERMS,   /* usec, bytes: keeper_timeout and name from now on */
    KEEPER_FORGET,  /* release all */
    KEEPER_PING,    /* answered by PONG */
    /* index: slots; count: those in use; usec: when the last relayd went, or 0 */
    KEEPER_HELLO,
    KEEPER_END,
    /* count: enum keeper_refusal; bytes: whose connections are held, if known */
    KEEPER_REFUSED,
    KEEPER_LOST, /* index and count of a HOLD that failed: the slot is empty */
    KEEPER_PONG, /* count: descriptors closed for YIELD */
    /* Without ATTACH, from any version: the first `index` bytes are an address to bind a socket to,
     * which takes IPv4 too (count 1); then the name. Drops all held for that name, and others'
     * listening sockets in the way. Answered by PONG, or REFUSED if a relayd is attached */
    KEEPER_YIELD,
};

enum keeper_refusal {
    KEEPER_OTHER_VERSION = 1,
    KEEPER_BUSY, /* a relayd is attached */
    /* its connections are held until it is back or keeper_timeout is over */
    KEEPER_FOREIGN,
};

#define KEEPER_KEEP_PIPES 0x80000000u

struct keeper_message {
    /* what is sent, before n_indexes numbers or n_bytes bytes */
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
    size_t n_indexes, n_bytes; /* received: both, of the same bytes */
    int fd[KEEPER_FDS];        /* -1: none */
    size_t n_fd;
    bool cut; /* fewer descriptors came than were sent, by a limit */
};

_Static_assert(sizeof(struct sockaddr_storage) + KEEPER_NAME_MAX <=
                   KEEPER_INDEXES * sizeof(uint32_t),
               "YIELD has room");

struct keeper_message keeper_message(enum keeper_type type);

/* Appends bytes; an address and a name fit. */
void keeper_message_add(struct keeper_message *message, const void *bytes, size_t n);

/* The name in a received message, from this byte on. */
void keeper_message_name(const struct keeper_message *message, size_t skip,
                         char ret_name[KEEPER_NAME_MAX]);

/* Sends it in one call; the descriptors stay the caller's. flags: of send(2). 0, or -errno with
 * nothing sent. Any thread. */
int keeper_send(int fd, const struct keeper_message *message, int flags);

/* The caller takes the descriptors or drops them. 1; 0: the other end is gone;
 * -EBADMSG: no message, nothing to drop; or another -errno. Waits as the socket does. */
int keeper_receive(int fd, struct keeper_message *ret_message) MUST_USE;

/* Closes the descriptors that nobody took. */
void keeper_message_drop(struct keeper_message *message);

#endif
