/* relayd-keeper: holds copies of the descriptors of one relayd, so that its connections outlive it.
 *
 * A relayed connection is two sockets, and what is in the two pipes between them. Whoever has these
 * six descriptors can go on where the one before was stopped. The keeper has them and does nothing
 * with them: it reads none, writes none, and closes them when it is told to, or when no relayd has
 * come back for keeper_timeout. What it holds is one relayd's, and is given to no other: each has a
 * name. One thread; memory is taken at the start, and when a relayd attaches for which there was
 * too little. */
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
    size_t n_slots, most; /* there are so many, and may be */
    sigset_t mask;        /* of signals while it waits: as it was at keeper_init */
    usec_t beat;          /* keeper_step returns after this time at the latest */
    usec_t timeout;       /* keeper_timeout */
    usec_t gone; /* when relayd went; 0: nothing is held for the next, or that goes on with it */
    usec_t met;  /* when the client came, which has not said ATTACH */
    char name[KEEPER_NAME_MAX]; /* of the relayd that is attached, or whose connections are held */
    unsigned told; /* the kinds of refusal (bits) that were logged since a relayd has attached */
};

/* Takes over the socket, which listens. most: the slots that there are descriptors for,
 * KEEPER_CONNECTIONS at least. 0 or -ENOMEM. */
int keeper_init(struct keeper *keeper, int socket, size_t most) MUST_USE;

/* Waits for the next thing and does it: a message, a relayd that comes or goes, the end of
 * keeper_timeout, a signal. 0, or -errno if it cannot wait. */
int keeper_step(struct keeper *keeper) MUST_USE;

/* Closes everything, and says what is lost by that. */
void keeper_free(struct keeper *keeper);

#endif
