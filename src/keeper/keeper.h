/* relayd-keeper: holds copies of the descriptors of one relayd, so that its connections outlive it.
 *
 * A relayed connection is two sockets, and what is in the two pipes between them. Whoever has these six descriptors can
 * go on where the one before was stopped. The keeper has them and does nothing with them: it reads none, writes none,
 * and closes them when it is told to, or when no relayd has come back for keeper_timeout. One thread; all memory is
 * taken at the start. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "keeper/message.h"

/* A slot's descriptors, from the first on; -1: none. One without its first may still have pipes. */
struct keeper_slot {
    int fd[KEEPER_FDS];
};

struct keeper {
    int socket;    /* where relayd connects */
    int client;    /* -1: no relayd is there */
    bool attached; /* it has said ATTACH */
    struct keeper_slot *slots;
    size_t n_slots;
    sigset_t mask;  /* of signals while it waits: as it was at keeper_init */
    usec_t beat;    /* keeper_step returns after this time at the latest */
    usec_t timeout; /* keeper_timeout */
    usec_t gone;    /* when relayd went; 0: nothing is held for the next, or that goes on with it */
};

/* Takes over the socket, which listens. n_slots: no more than there are descriptors for. 0 or -ENOMEM. */
int keeper_init(struct keeper *keeper, int socket, size_t n_slots) MUST_USE;

/* Waits for the next thing and does it: a message, a relayd that comes or goes, the end of keeper_timeout, a signal. 0,
 * or -errno if it cannot wait. */
int keeper_step(struct keeper *keeper) MUST_USE;

/* Closes everything, and says what is lost by that. */
void keeper_free(struct keeper *keeper);

#endif
