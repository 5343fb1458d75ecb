/* relayd-keeper: holds copies of one relayd's descriptors, so that its connections outlive it.
 *
 * With two sockets and the two pipes between them, six descriptors, the next process can go on. The
 * keeper neither reads nor writes them; it closes them when told to, or when no relayd has come
 * back for keeper_timeout. It serves one relayd, known by its name. One thread; memory is taken at
 * the start, and when a relayd needs more. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "keeper/message.h"

/* From the first on; -1: none. One without its first may still have pipes. */
struct keeper_slot {
    int fd[KEEPER_FDS];
};

struct keeper {
    int socket;    /* where relayd connects */
    int client;    /* -1: no relayd is there */
    bool attached; /* it has said ATTACH */
    struct keeper_slot *slots;
    size_t n_slots, most;       /* that exist; that may */
    sigset_t mask;              /* of signals while it waits: as at keeper_init */
    usec_t beat;                /* keeper_step returns within this time */
    usec_t timeout;             /* keeper_timeout */
    usec_t gone;                /* when relayd went; 0: nothing is held for the next one */
    usec_t met;                 /* when the client came, before its ATTACH */
    char name[KEEPER_NAME_MAX]; /* of the relayd that is attached or has connections here */
    unsigned told;              /* kinds of refusal (bits) logged since one attached */
};

/* Takes the listening socket. most: slots that there are descriptors for, at least
 * KEEPER_CONNECTIONS. 0 or -ENOMEM. */
int keeper_init(struct keeper *keeper, int socket, size_t most) MUST_USE;

/* Waits for and handles one event: a message, a relayd that comes or goes, the end of
 * keeper_timeout, a signal. 0, or -errno: it cannot wait. */
int keeper_step(struct keeper *keeper) MUST_USE;

/* Closes everything, and logs what is lost. */
void keeper_free(struct keeper *keeper);

#endif
