/* Pump threads in pairs, kept between connections.
 *
 * A pair is idle or serves one conn. The last used goes first, so that after a peak pump_pool_trim
 * ends the others. */
#ifndef CONN_PUMP_POOL_H
#define CONN_PUMP_POOL_H

#include <stddef.h>
#include <sys/queue.h>

#include "base/sync.h"
#include "base/thread.h"
#include "conn/conn.h"
#include "conn/tls_buffers.h"

#define PUMP_IDLE_MAX (60 * USEC_PER_SEC) /* then an idle pair is ended */

struct pump_pair;

struct pump_pool {
    struct lock lock;
    struct cond all_idle;
    TAILQ_HEAD(pair_list, pump_pair) idle GUARDED; /* most recently used first */
    struct pair_list working GUARDED;
    size_t busy GUARDED; /* that work or are being made */
    struct tls_buffers buffers;
};

void pump_pool_init(struct pump_pool *pool);

/* Ends all threads. Waits for busy pairs: the caller has ended all conns. */
void pump_pool_destroy(struct pump_pool *pool);

/* An idle pair or a new one: 0, or -errno: no thread could be made (-EAGAIN: a limit). The caller
 * runs it or puts it back. */
int pump_pool_get(struct pump_pool *pool, struct pump_pair **ret_pair) MUST_USE;
void pump_pool_put(struct pump_pool *pool, struct pump_pair *pair);

/* Takes the caller's reference and starts both pumps, or DIR_UP alone for a refused client. The
 * pair returns by itself. */
void pump_pool_run(struct pump_pair *pair, struct conn *conn);

/* The same with DIR_UP alone at first; its pump starts the other one (arg: the pair), once. */
void pump_pool_run_up(struct pump_pair *pair, struct conn *conn);
void pump_pool_run_down(void *arg);

/* Interrupts the DIR_DOWN pump of the pair (arg), which runs (interrupt_note). */
void pump_pool_interrupt_down(void *arg);

/* Interrupts all until each has left its conn: the caller has set registry->parks, or ended the
 * conns. */
void pump_pool_park(struct pump_pool *pool);

/* Ends pairs idle for PUMP_IDLE_MAX. */
void pump_pool_trim(struct pump_pool *pool);

#endif
