/* What concerns many conns at once: walks over the registry. Any thread, no leaf lock held.
 *
 * A walk is no snapshot: conns come and go meanwhile. */
#ifndef CONN_SWEEP_H
#define CONN_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "conn/registry.h"
#include "record/ends.h"

struct member;

struct conn;

/* From now on, conns of mode http that wait for no answer end in order after this silence, except
 * those that go on with the keeper of this epoch (0: no exception). */
void sweep_drain(struct registry *registry, usec_t idle, unsigned epoch);

/* Aborts (conn_abort) all conns that lead to this member; NULL: all. */
void sweep_abort(struct registry *registry, const struct member *member, enum end end);

/* All that lead to the server of this name, at whichever address. */
void sweep_abort_server(struct registry *registry, const char *upstream, const char *server,
                        enum end end);

/* Those that do not go on with the keeper of this epoch (conn_goes_on), and refused clients. */
void sweep_abort_unheld(struct registry *registry, unsigned epoch, enum end end);

/* A link_hold_missing_fn; its arg is the registry. */
void sweep_hold_missing(void *registry, unsigned epoch);

/* Refused clients apart. */
size_t sweep_count_unheld(struct registry *registry, unsigned epoch);

/* All there is, looked at in slices. */
struct sweep_sum {
    size_t n, unheld;  /* conns, and those the keeper of the epoch does not hold: without refused */
    uint64_t bytes[2]; /* carried so far, by direction */
};
void sweep_add_up(struct registry *registry, unsigned epoch, struct sweep_sum *ret_sum);

/* For each conn, with a reference and without a lock, in batches. Not for the road. */
void sweep_visit(struct registry *registry, void (*visit)(void *arg, struct conn *conn), void *arg);

/* The one of this number, with a reference, which is the caller's: its sockets stay open for so
 * long. NULL: none. Not for the road. */
struct conn *sweep_find(struct registry *registry, uint64_t number);

/* Exchanges that a keeper has end their pumps, where they are, for the next process (by_steps in
 * conn/exchange.h). Wakes those that wait for each other; the caller interrupts the others. Nothing
 * is done, and false returned, if there are some that do not go on with the keeper of this epoch
 * (sweep_count_unheld), unless it is forced. After that no leg comes to be that would not. */
bool sweep_to_rest(struct registry *registry, unsigned epoch, bool forced);
/* Connections of mode http. */
size_t sweep_count_exchanges(struct registry *registry);

#endif
