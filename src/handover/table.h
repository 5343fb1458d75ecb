/* What the next relayd must know of connections and listening sockets, in memory that relayd-keeper
 * holds (memfd_create(2)).
 *
 * A slot is one connection: its state, and two pipes, which stay for the next one, so that neither
 * process opens new ones. */
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
#include "record/steering.h"
#include "tls/tickets.h"

#define TABLE_COUNTERS_MAX 96

struct hold;

/* How the memory begins; states follow. */
struct table_head {
    uint32_t magic;
    uint32_t version;    /* KEEPER_VERSION */
    uint32_t state_size; /* of a struct conn_state */
    uint32_t n_slots;
    uint32_t counter_names;    /* a sum over them, in order */
    _Atomic usec_t parked;     /* when all connections had stopped; 0: not yet */
    _Atomic uint64_t accepted; /* so far, the highest number given */
    _Atomic uint64_t counters[TABLE_COUNTERS_MAX];
    struct listen_description listeners[KEEPER_LISTENERS_MAX];
    usec_t crashes[CONN_CRASHES]; /* at whatever work; 0: none */
    _Atomic uint32_t adopting;    /* slot, plus 1; 0: none */
    struct steering steering;     /* read after steering_tidy */
    struct ticket_keys tickets;   /* read by tickets_begin */
};

/* This process's own. */
struct table_slot {
    struct pipe_ends pipe[2];    /* by direction; -1: none yet */
    _Atomic unsigned pipes_held; /* keeper's epoch; 0: none */
    struct hold *hold;           /* of the registered connection; under the table's lock */
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
    uint32_t *free GUARDED; /* a stack: the last used is used next */
    size_t n_free GUARDED;
    size_t n_spare GUARDED; /* free slots that have pipes */
    size_t most GUARDED;    /* that may be taken */
    bool begun;
};

/* Already begun. 0 or -errno. */
int table_new(size_t n_slots, struct table **ret_table) MUST_USE;

/* A previous relayd's. Takes its memory (blanks *fd) on success; no slot can be taken before
 * table_begin. 0, -EPROTO: this version cannot read it, or another -errno. */
int table_open(int *fd, struct table **ret_table) MUST_USE;

/* Moves an opened table's contents to a larger one, in other memory. 0, or -errno with nothing
 * changed. Before table_adopt. */
int table_enlarge(struct table **table, size_t n_slots) MUST_USE;

/* Slots can be taken now: all found in it is adopted (table_adopt) or given up. */
void table_begin(struct table *table);

/* Closes the pipes and unmaps it. */
void table_free(struct table *table);

/* With its pipes; the caller fills in the state. 0, -ENOSPC, or -errno: no pipe. Any thread. */
int table_take(struct table *table, uint32_t *ret_slot) MUST_USE;

/* Limits the slots in use; at first all may be. Any thread. */
void table_bound(struct table *table, size_t most);

/* Slots in use, and how many may be. Any thread. */
void table_count(struct table *table, size_t *ret_used, size_t *ret_most);

/* Takes this slot, and these pipes (blanks them). Before table_begin. */
void table_adopt(struct table *table, uint32_t slot, struct pipe_ends pipe[2]);

/* Who is in the slot; NULL before it goes. Any thread. */
void table_note_hold(struct table *table, uint32_t slot, struct hold *hold);

/* The keeper of this epoch (0: an earlier one) has lost it. False: the slot is empty. Any
 * thread. */
bool table_lose(struct table *table, uint32_t slot, unsigned epoch);

/* Whether its pipes stay for the next connection; else closes them: they hold bytes, or there are
 * many. Then, once the keeper knows, gives the slot back. Any thread. */
bool table_keeps_pipes(struct table *table, uint32_t slot);
void table_give(struct table *table, uint32_t slot);

#endif
