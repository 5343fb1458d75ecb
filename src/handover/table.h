/* The table: what the next relayd must know of the connections of this one, and of its listening
 * sockets, in memory that relayd-keeper holds meanwhile (memfd_create(2)).
 *
 * A slot of it is one connection: its state, and two pipes, which stay with the slot when the
 * connection has ended, so that neither this process nor the keeper opens new ones for the next. */
#ifndef HANDOVER_TABLE_H
#define HANDOVER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "base/stats.h"
#include "base/sync.h"
#include "keeper/message.h"
#include "listen/listen_socket.h"
#include "record/conn_state.h"

#define TABLE_COUNTERS_MAX 96

struct hold;

/* How the memory begins; the states follow. */
struct table_head {
    uint32_t magic;
    uint32_t version;    /* KEEPER_VERSION */
    uint32_t state_size; /* of a struct conn_state */
    uint32_t n_slots;
    uint32_t counter_names;    /* a sum over the names, in the order of the numbers below */
    _Atomic usec_t parked;     /* when all connections had come to a halt; 0: they did not */
    _Atomic uint64_t accepted; /* connections so far: the next one's number is one more */
    _Atomic uint64_t counters[TABLE_COUNTERS_MAX];
    struct listen_description listeners[KEEPER_LISTENERS_MAX];
    usec_t crashes[CONN_CRASHES]; /* when relayd last crashed, at whatever work; 0: not */
    _Atomic uint32_t adopting;    /* the slot that is just being adopted, and one; 0: none */
};

/* What this process alone knows of a slot. */
struct table_slot {
    struct pipe_ends pipe[2];    /* by direction; -1: none yet */
    _Atomic unsigned pipes_held; /* the link's epoch in which the keeper got them; 0: never */
    struct hold
        *hold; /* of the connection in it, while that is registered; under the table's lock */
    bool used;
};

struct table {
    int fd; /* the memory */
    size_t size;
    struct table_head *head;
    struct conn_state *states;
    struct table_slot *slots;
    size_t n;
    struct lock lock;
    uint32_t *free GUARDED; /* a stack: the last one that was used is the first to be used again */
    size_t n_free GUARDED;
    size_t n_spare GUARDED; /* free slots that have pipes */
    size_t most GUARDED;    /* so many may be taken */
    bool settled;
};

/* A fresh one: 0 or -errno. */
int table_new(size_t n_slots, struct table **ret_table) MUST_USE;

/* One that a relayd before has left; its memory is taken over (and blanked) on success. No slot can
 * be taken before table_settle. -EPROTO: it is not one that this version can read. */
int table_open(int *fd, struct table **ret_table) MUST_USE;

/* Replaces an opened table by a larger one with the same contents, which is another memory. 0 or
 * -errno, with nothing changed. Before table_adopt. */
int table_enlarge(struct table **table, size_t n_slots) MUST_USE;

/* Everything that was found in it has been adopted (table_adopt) or given up. Of one that is new:
 * nothing. */
void table_settle(struct table *table);

/* Closes the pipes and unmaps it. */
void table_free(struct table *table);

/* Takes a slot, with its pipes, whose state is to be filled in: 0, -ENOSPC, or an -errno for want
 * of a pipe. Any thread. */
int table_take(struct table *table, uint32_t *ret_slot) MUST_USE;

/* No more slots are taken while so many are. At first all may be. Any thread. */
void table_bound(struct table *table, size_t most);

/* The same for a certain slot, with the pipes that are given; takes those (and blanks them). Before
 * table_settle. */
void table_adopt(struct table *table, uint32_t slot, struct pipe_ends pipe[2]);

/* Who is in the slot from now on: NULL, before it goes. Any thread. */
void table_note_hold(struct table *table, uint32_t slot, struct hold *hold);

/* The keeper of this epoch has lost what is in the slot (0: of an earlier one). False: nothing is.
 * Any thread. */
bool table_lose(struct table *table, uint32_t slot, unsigned epoch);

/* Whether the slot's pipes will be kept for the next connection; closes them if not: they are not
 * empty, or there are many. Then, once the keeper knows: gives the slot back. Any thread. */
bool table_keeps_pipes(struct table *table, uint32_t slot);
void table_give(struct table *table, uint32_t slot);

#endif
