/* What the next relayd must know of connections and listening sockets, in memory that relayd-keeper
 * holds (memfd_create(2)).
 *
 * A slot is one connection: its state, and two pipes, which stay for the next one, so that neither
 * process opens new ones. One that goes by_steps (record/conn_state.h) has passages, and
 * pipes only where a long body needs them. */
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
#include "record/passage.h"
#include "record/steering.h"
#include "tls/tickets.h"
#include "wire/proxy_tls.h"

#define TABLE_COUNTERS_MAX 96

/* Memory that is lent to an exchange of HTTP while it has something in hand (conn/exchange_area.h).
 * What nobody has touched costs nothing. */
#define TABLE_AREA_SIZE ((size_t)256 * 1024)

struct hold;

/* How the memory begins; an array of each kind follows. */
struct table_head {
    uint32_t magic;
    uint32_t version;    /* KEEPER_VERSION */
    uint32_t state_size; /* of a struct conn_state */
    uint32_t n_slots;
    uint32_t passages_size;    /* of a struct passages */
    uint32_t shown_size;       /* of a struct proxy_certificate */
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
    /* Of the area of this number: so many of the slots found say that it is theirs, and so many
     * of them are not given up yet. */
    uint32_t area_claims, area_claims_left;
};

struct table {
    int fd; /* the memory */
    size_t size;
    struct table_head *head;
    struct conn_state *states;
    struct passages *passages;       /* of those that are by_steps */
    struct proxy_certificate *shown; /* of those of them whose clients have shown one */
    struct passage_stash *stashes;   /* of those of them that have one */
    char *areas;                     /* as many as slots */
    struct table_slot *slots;
    size_t n;
    struct lock lock;
    uint32_t *free GUARDED; /* a stack: the last used is used next */
    size_t n_free GUARDED;
    size_t n_spare GUARDED;       /* free slots that have pipes */
    size_t most GUARDED;          /* that may be taken */
    uint32_t *free_areas GUARDED; /* likewise a stack */
    size_t n_free_areas GUARDED;
    bool begun;
    struct table *former; /* which this one is the enlargement of; or NULL */
};

/* Already begun. 0 or -errno. */
int table_new(size_t n_slots, struct table **ret_table) MUST_USE;

/* A previous relayd's. Takes its memory (blanks *fd) on success; no slot can be taken before
 * table_begin. 0, -EPROTO: this version cannot read it, or another -errno. */
int table_open(int *fd, struct table **ret_table) MUST_USE;

/* Copies an opened table's contents to a larger one, in other memory. 0, or -errno with nothing
 * changed. Before table_adopt. The former one stays as it is until the second is called: the
 * keeper has that, until it is told of the larger one. */
int table_enlarge(struct table **table, size_t n_slots) MUST_USE;
void table_forget_former(struct table *table);

/* Slots can be taken now: all found in it is adopted (table_adopt) or given up. */
void table_begin(struct table *table);

/* Closes the pipes and unmaps it. */
void table_free(struct table *table);

/* With pipes, if they are wanted; the caller fills in the state. 0, -ENOSPC, or -errno: no pipe.
 * Any thread. */
int table_take(struct table *table, bool pipes, uint32_t *ret_slot) MUST_USE;

/* The pipes of a slot that was taken without; the keeper is to be told (link_hold). 0, also if it
 * has some, or -errno. Who works for the slot. */
int table_open_pipes(struct table *table, uint32_t slot) MUST_USE;

/* Limits the slots in use; at first all may be. Any thread. */
void table_bound(struct table *table, size_t most);

/* Slots in use, and how many may be. Any thread. */
void table_count(struct table *table, size_t *ret_used, size_t *ret_most);

/* Takes this slot, and these pipes, if there are any (blanks them). Before table_begin. */
void table_adopt(struct table *table, uint32_t slot, struct pipe_ends pipe[2]);

/* Nothing is in the passages of a slot any more, nor in its stash. Nobody else is in it. */
void table_erase_passages(struct table *table, uint32_t slot);

/* Where a walk is; zeroed at first. */
struct table_walk {
    size_t next, end;
};

/* Goes to the next slot that may have been used: the others lie in memory that nobody has touched,
 * and who looked at it would have the kernel provide it. False: there is none. */
bool table_walk(const struct table *table, struct table_walk *walk, size_t *ret_slot) MUST_USE;

/* Looks which areas are lent: those that live slots say they have. Before anybody else knows the
 * table. */
void table_find_areas(struct table *table);

/* The area of a slot: its own, or one that is lent to it; there is one for each. Who works for the
 * slot. */
void *table_lend_area(struct table *table, uint32_t slot);
void *table_area(const struct table *table, uint32_t slot); /* NULL: none */
void table_return_area(struct table *table, uint32_t slot);

/* Whether the area of a slot that was found can be its own. */
bool table_area_is_sound(const struct table *table, uint32_t slot);

/* What a slot says of itself, whoever wrote it: by_steps, before it is known to be sound. */
bool table_goes_by_steps(const struct table *table, size_t slot);

/* Nobody goes on with what was found in a slot: it is empty, and the area that it alone claimed is
 * free. Sound or not. Before table_begin ends. */
void table_give_up(struct table *table, uint32_t slot);

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
