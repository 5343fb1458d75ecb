#include "relay/reaper.h"

#include "relay/conn.h"

#define BATCH        64
#define INTERVAL_MIN (10 * USEC_PER_MSEC)
#define INTERVAL_MAX (2 * USEC_PER_SEC)

/* A conn whose time is up, with a reference, to be ended without the lock. */
struct due {
    struct conn *conn;
    enum conn_due what;
    enum end end;
};

/* Looks at every conn. Returns how many are due (at most BATCH: then there may be more), and when
 * the next one will be. */
static size_t look(struct reaper *reaper, struct due batch[BATCH], usec_t *ret_next)
    REQUIRES(reaper->registry->lock) {
    usec_t now = clock_coarse();
    struct conn *conn;
    size_t n = 0;

    *ret_next = USEC_NEVER;
    TAILQ_FOREACH(conn, &reaper->registry->conns, link) {
        struct due *due = &batch[n];
        usec_t deadline;

        due->what = conn_review(reaper->registry, conn, now, &deadline, &due->end);
        if (due->what == CONN_LIVE) {
            *ret_next = deadline < *ret_next ? deadline : *ret_next;
        } else if (conn_try_ref(conn)) {
            due->conn = conn;
            if (++n == BATCH)
                break;
        }
    }
    return n;
}

static void end_due(const struct due *due) {
    if (due->what == CONN_ABORT)
        conn_abort(due->conn, due->end, 0);
    else
        conn_expire(due->conn, due->end);
    conn_unref(due->conn);
}

/* One look, and the rest until the next. */
static void turn(struct reaper *reaper) REQUIRES(reaper->registry->lock) {
    struct due batch[BATCH];
    usec_t next;
    size_t n = look(reaper, batch, &next);

    lock_release(&reaper->registry->lock);
    for (size_t i = 0; i < n; i++)
        end_due(&batch[i]);
    pump_pool_trim(reaper->pumps);
    lock_acquire(&reaper->registry->lock);
    if (reaper->stop || n == BATCH)
        return;
    usec_t now = clock_now();
    if (TAILQ_EMPTY(&reaper->registry->conns)) {
        reaper->registry->asleep = true;
        cond_wait_until(&reaper->registry->changed, &reaper->registry->lock, now + PUMP_IDLE_MAX);
        reaper->registry->asleep = false;
        return;
    }
    /* A conn that comes, or begins to linger, meanwhile is not due before the shortest timeout. */
    next = next < now + reaper->interval ? next : now + reaper->interval;
    next = next > now + INTERVAL_MIN ? next : now + INTERVAL_MIN;
    cond_wait_until(&reaper->registry->changed, &reaper->registry->lock, next);
}

static void reaper_thread(void *arg) {
    struct reaper *reaper = arg;

    lock_acquire(&reaper->registry->lock);
    while (!reaper->stop)
        turn(reaper);
    lock_release(&reaper->registry->lock);
}

void reaper_set_shortest(struct reaper *reaper, usec_t shortest) {
    usec_t interval = shortest / 4;

    interval = interval > INTERVAL_MIN ? interval : INTERVAL_MIN;
    interval = interval < INTERVAL_MAX ? interval : INTERVAL_MAX;
    lock_acquire(&reaper->registry->lock);
    /* Live conns keep the timeouts that they began with. */
    if (interval < reaper->interval || TAILQ_EMPTY(&reaper->registry->conns))
        reaper->interval = interval;
    cond_signal(&reaper->registry->changed);
    lock_release(&reaper->registry->lock);
}

int reaper_start(struct reaper *reaper, struct registry *registry,
                 struct pump_pool *pumps) UNCHECKED {
    *reaper = (struct reaper){.registry = registry, .pumps = pumps, .interval = INTERVAL_MAX};
    return thread_start(&reaper->thread, "reaper", NULL, reaper_thread, reaper);
}

void reaper_stop(struct reaper *reaper) {
    if (!reaper->thread.running)
        return;
    lock_acquire(&reaper->registry->lock);
    reaper->stop = true;
    cond_signal(&reaper->registry->changed);
    lock_release(&reaper->registry->lock);
    thread_join(&reaper->thread);
}
