#include "conn/pump_pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/event.h"
#include "conn/copy.h"
#include "conn/pump.h"
#include "handover/crash.h"

/* A pump's frames are small; its copy buffer lies above its stack. */
#define PUMP_STACK ((size_t)32 * 1024)

struct pump {
    struct thread thread;
    struct stack stack;
    struct pump_pair *pair;
    enum direction dir;
    struct pump_room room;
};

/* The event of a pair: what its pumps are to do, in one word, so that one wake-up starts both and
 * neither needs a lock. conn and running are written before it and stay until all pumps of the
 * round are done; a pump that has no part in a round looks at nothing but this word. */
#define WORK_BOTH  1u /* for both pumps; else for DIR_UP alone */
#define WORK_QUIT  2u /* the thread ends */
#define WORK_ROUND 4u /* the rest counts the rounds, so that each differs from the last */

struct pump_pair {
    TAILQ_ENTRY(pump_pair) entry;
    struct pump_pool *pool;
    usec_t idle_since; /* under the pool's lock */
    struct event work;
    struct conn *conn;
    _Atomic unsigned running; /* pumps that are not yet done in this round */
    struct pump pumps[2];     /* by direction */
};

void pump_pool_init(struct pump_pool *pool) UNCHECKED {
    lock_init(&pool->lock, RANK_LEAF);
    cond_init(&pool->all_idle);
    TAILQ_INIT(&pool->idle);
    TAILQ_INIT(&pool->working);
    pool->busy = 0;
    tls_buffers_init(&pool->buffers);
}

static void one_less_busy(struct pump_pool *pool) REQUIRES(pool->lock) {
    pool->busy--;
    if (pool->busy == 0)
        cond_signal(&pool->all_idle);
}

void pump_pool_put(struct pump_pool *pool, struct pump_pair *pair) {
    lock_acquire(&pool->lock);
    pair->idle_since = clock_coarse();
    TAILQ_REMOVE(&pool->working, pair, entry);
    TAILQ_INSERT_HEAD(&pool->idle, pair, entry);
    one_less_busy(pool);
    lock_release(&pool->lock);
}

/* Waits for this pump's next conn; NULL: quit. */
static struct conn *await_pump_conn(struct pump_pair *pair, enum direction dir, uint32_t *seen) {
    do {
        *seen = event_wait(&pair->work, *seen);
        if (*seen & WORK_QUIT)
            return NULL;
    } while (dir != DIR_UP && !(*seen & WORK_BOTH));
    return pair->conn;
}

static void finish_work(struct pump_pair *pair, struct conn *conn) {
    conn_unref(conn);
    if (atomic_fetch_sub_explicit(&pair->running, 1, memory_order_acq_rel) == 1)
        pump_pool_put(pair->pool, pair);
}

static void pump_thread(void *arg) {
    struct pump *pump = arg;
    uint32_t seen = 0;
    struct conn *conn;

    thread_lighten();
    while ((conn = await_pump_conn(pump->pair, pump->dir, &seen)) != NULL) {
        crash_at(conn->hold.link != NULL ? conn->hold.slot : CRASH_NOBODY);
        pump_run(conn, pump->dir, &pump->room);
        finish_work(pump->pair, conn);
        crash_at(CRASH_NOBODY);
    }
}

static void set_work(struct pump_pair *pair, uint32_t what) {
    uint32_t round = event_value(&pair->work) & ~(WORK_ROUND - 1);

    event_set(&pair->work, (round + WORK_ROUND) | what);
}

/* The pair is in no list, and both its threads wait or never started. */
static void end_pair(struct pump_pair *pair) {
    set_work(pair, WORK_QUIT);
    for (int dir = 0; dir < 2; dir++) {
        thread_join(&pair->pumps[dir].thread);
        stack_free(&pair->pumps[dir].stack);
    }
    free(pair);
}

static int start_pump(struct pump_pair *pair, enum direction dir) {
    static const char *const names[2] = {[DIR_UP] = "pump-up", [DIR_DOWN] = "pump-down"};
    struct pump *pump = &pair->pumps[dir];
    int r = stack_make(&pump->stack, PUMP_STACK, COPY_BUFFER_SIZE);

    if (r < 0)
        return r;
    pump->pair = pair;
    pump->room.buffer = pump->stack.extra;
    pump->room.buffers = &pair->pool->buffers;
    pump->dir = dir;
    return thread_start(&pump->thread, names[dir], &pump->stack, pump_thread, pump);
}

static int make_pair(struct pump_pool *pool, struct pump_pair **ret_pair) {
    struct pump_pair *pair = calloc(1, sizeof(*pair));

    if (pair == NULL)
        return -ENOMEM;
    pair->pool = pool;
    int r = start_pump(pair, DIR_UP);
    if (r == 0)
        r = start_pump(pair, DIR_DOWN);
    if (r < 0)
        end_pair(pair);
    else
        *ret_pair = pair;
    return r;
}

/* Takes an idle pair, or none; either way one more is busy. */
static struct pump_pair *take_idle_pair(struct pump_pool *pool) {
    lock_acquire(&pool->lock);
    struct pump_pair *pair = TAILQ_FIRST(&pool->idle);
    if (pair != NULL) {
        TAILQ_REMOVE(&pool->idle, pair, entry);
        TAILQ_INSERT_HEAD(&pool->working, pair, entry);
    }
    pool->busy++;
    lock_release(&pool->lock);
    return pair;
}

/* The pair that take_idle_pair counted was made, or (NULL) could not be. */
static void count_made_pair(struct pump_pool *pool, struct pump_pair *pair) {
    lock_acquire(&pool->lock);
    if (pair != NULL)
        TAILQ_INSERT_HEAD(&pool->working, pair, entry);
    else
        one_less_busy(pool);
    lock_release(&pool->lock);
}

int pump_pool_get(struct pump_pool *pool, struct pump_pair **ret_pair) {
    *ret_pair = take_idle_pair(pool);
    if (*ret_pair != NULL)
        return 0;
    int r = make_pair(pool, ret_pair);
    count_made_pair(pool, *ret_pair); /* NULL, if it failed */
    return r;
}

void pump_pool_run(struct pump_pair *pair, struct conn *conn) {
    bool both = conn->fd[SIDE_SERVER] >= 0; /* a refused client has nothing to carry down */

    if (both)
        conn_ref(conn);
    pair->conn = conn;
    atomic_store_explicit(&pair->running, both ? 2 : 1, memory_order_relaxed);
    set_work(pair, both ? WORK_BOTH : 0);
}

void pump_pool_park(struct pump_pool *pool) {
    struct pump_pair *pair;

    lock_acquire(&pool->lock);
    while (pool->busy > 0) {
        TAILQ_FOREACH(pair, &pool->working, entry)
            for (int dir = 0; dir < 2; dir++)
                thread_interrupt(&pair->pumps[dir].thread); /* interrupt_note */
        cond_wait_until(&pool->all_idle, &pool->lock, clock_now() + THREAD_INTERRUPT_AGAIN);
    }
    lock_release(&pool->lock);
}

void pump_pool_trim(struct pump_pool *pool) {
    usec_t old = clock_coarse() - PUMP_IDLE_MAX;
    struct pump_pair *pair;

    do {
        lock_acquire(&pool->lock);
        pair = TAILQ_LAST(&pool->idle, pair_list);
        if (pair != NULL && pair->idle_since < old)
            TAILQ_REMOVE(&pool->idle, pair, entry);
        else
            pair = NULL;
        lock_release(&pool->lock);
        if (pair != NULL)
            end_pair(pair);
    } while (pair != NULL);
    tls_buffers_trim(&pool->buffers);
}

void pump_pool_destroy(struct pump_pool *pool) UNCHECKED {
    struct pump_pair *pair;

    lock_acquire(&pool->lock);
    while (pool->busy > 0)
        cond_wait(&pool->all_idle, &pool->lock);
    lock_release(&pool->lock);
    while ((pair = TAILQ_FIRST(&pool->idle)) != NULL) {
        TAILQ_REMOVE(&pool->idle, pair, entry);
        end_pair(pair);
    }
    tls_buffers_destroy(&pool->buffers);
    cond_destroy(&pool->all_idle);
    lock_destroy(&pool->lock);
}
