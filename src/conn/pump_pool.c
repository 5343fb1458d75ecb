#include "conn/pump_pool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/event.h"
#include "conn/copy.h"
#include "conn/exchange.h"
#include "conn/pump.h"
#include "handover/crash.h"

/* A pump's frames are small; its copy buffer lies above its stack. */
#define PUMP_STACK ((size_t)32 * 1024)

#define PAIRS_AT_ONCE 32 /* interrupted without releasing the lock */

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
#define WORK_BOTH  1u /* for both pumps; else for DIR_UP alone, or not yet for DIR_DOWN */
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

static bool is_same_round(uint32_t a, uint32_t b) {
    return a / WORK_ROUND == b / WORK_ROUND;
}

/* Waits for this pump's next conn; NULL: quit. */
static struct conn *await_pump_conn(struct pump_pair *pair, enum direction dir, uint32_t *seen) {
    uint32_t last = *seen;

    do {
        *seen = event_wait_as(&pair->work, *seen, 1u << dir);
        if (*seen & WORK_QUIT)
            return NULL;
    } while (dir == DIR_UP ? is_same_round(*seen, last) : !(*seen & WORK_BOTH));
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

static uint32_t next_round(const struct pump_pair *pair) {
    return (event_value(&pair->work) & ~(WORK_ROUND - 1)) + WORK_ROUND;
}

static void set_work(struct pump_pair *pair, uint32_t what) {
    event_set(&pair->work, next_round(pair) | what);
}

/* The pair was told WORK_QUIT, is in no list, and both its threads waited or never started. */
static void free_pair(struct pump_pair *pair) {
    for (int dir = 0; dir < 2; dir++) {
        thread_join(&pair->pumps[dir].thread);
        stack_free(&pair->pumps[dir].stack);
    }
    free(pair);
}

static void end_pair(struct pump_pair *pair) {
    set_work(pair, WORK_QUIT);
    free_pair(pair);
}

static int start_pump(struct pump_pair *pair, enum direction dir) {
    static const char *const names[2] = {[DIR_UP] = "pump-up", [DIR_DOWN] = "pump-down"};
    struct pump *pump = &pair->pumps[dir];
    int r = stack_make(&pump->stack, PUMP_STACK, PUMP_BUFFER_SIZE + STREAM_SLACK);

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
    if (conn->exchange != NULL) {
        conn->exchange->start_down = pump_pool_run_down;
        conn->exchange->interrupt_down = pump_pool_interrupt_down;
        conn->exchange->pair = pair;
        pump_pool_run_up(pair, conn);
        return;
    }
    bool both = conn->fd[SIDE_SERVER] >= 0; /* a refused client has nothing to carry down */

    if (both)
        conn_ref(conn);
    pair->conn = conn;
    atomic_store_explicit(&pair->running, both ? 2 : 1, memory_order_relaxed);
    set_work(pair, both ? WORK_BOTH : 0);
}

void pump_pool_run_up(struct pump_pair *pair, struct conn *conn) {
    pair->conn = conn;
    atomic_store_explicit(&pair->running, 1, memory_order_relaxed);
    event_set_for(&pair->work, next_round(pair), 1u << DIR_UP);
}

void pump_pool_run_down(void *arg) {
    struct pump_pair *pair = arg;

    conn_ref(pair->conn);
    atomic_fetch_add_explicit(&pair->running, 1, memory_order_relaxed);
    event_set_for(&pair->work, event_value(&pair->work) | WORK_BOTH, 1u << DIR_DOWN);
}

void pump_pool_interrupt_down(void *arg) {
    struct pump_pair *pair = arg;

    thread_interrupt(&pair->pumps[DIR_DOWN].thread);
}

/* Each once. Pumps that are done want the lock meanwhile. */
static void interrupt_all(struct pump_pool *pool) REQUIRES(pool->lock) {
    struct pump_pair *pair;

    for (size_t n = pool->busy; n > 0 && (pair = TAILQ_FIRST(&pool->working)) != NULL; n--) {
        for (int dir = 0; dir < 2; dir++)
            thread_interrupt(&pair->pumps[dir].thread); /* interrupt_note */
        TAILQ_REMOVE(&pool->working, pair, entry);
        TAILQ_INSERT_TAIL(&pool->working, pair, entry);
        if (n % PAIRS_AT_ONCE == 0) {
            lock_release(&pool->lock);
            lock_acquire(&pool->lock);
        }
    }
}

void pump_pool_park(struct pump_pool *pool) {
    lock_acquire(&pool->lock);
    while (pool->busy > 0) {
        size_t before = 0;

        interrupt_all(pool);
        while (pool->busy > 0 && pool->busy != before) { /* they are coming to a halt */
            before = pool->busy;
            cond_wait_until(&pool->all_idle, &pool->lock, clock_now() + THREAD_INTERRUPT_AGAIN);
        }
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
    TAILQ_FOREACH(pair, &pool->idle, entry)
        set_work(pair, WORK_QUIT); /* all at once: there may be thousands */
    while ((pair = TAILQ_FIRST(&pool->idle)) != NULL) {
        TAILQ_REMOVE(&pool->idle, pair, entry);
        free_pair(pair);
    }
    tls_buffers_destroy(&pool->buffers);
    cond_destroy(&pool->all_idle);
    lock_destroy(&pool->lock);
}
