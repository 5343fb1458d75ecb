#include "conn/reaper.h"

#include "conn/conn.h"
#include "handover/crash.h"

#define BATCH 64  /* conns reviewed without the lock, a reference each */
#define LOOKS 256 /* at conns that need no question, per hold of the lock */

/* The conns that are due. Most need no system call, and are filed again at once. */
static size_t collect_conns(struct reaper *reaper, struct conn *batch[BATCH])
    REQUIRES(reaper->registry->lock) {
    usec_t now = clock_now(), next;
    struct registry_node *node;
    size_t n = 0;

    for (int looks = 0; looks < LOOKS && n < BATCH; looks++) {
        node = registry_due(reaper->registry, now);
        if (node == NULL)
            break;
        struct conn *conn = conn_of(node);
        crash_at(conn->hold.link != NULL ? conn->hold.slot : CRASH_NOBODY);
        if (conn_glance(reaper->registry, conn, now, &next))
            registry_review_at(reaper->registry, node, next);
        else if (conn_try_ref(conn))
            batch[n++] = conn;
    }
    crash_at(CRASH_NOBODY);
    return n;
}

static void review_conn(struct conn *conn) {
    crash_at(conn->hold.link != NULL ? conn->hold.slot : CRASH_NOBODY);
    struct verdict verdict = conn_review(conn, clock_now());

    if (verdict.what == CONN_ABORT && verdict.hard)
        conn_abort_hard(conn, verdict.end, verdict.error);
    else if (verdict.what == CONN_ABORT)
        conn_abort(conn, verdict.end, verdict.error);
    else if (verdict.what == CONN_EXPIRE)
        conn_expire(conn, verdict.end);
    conn_unref(conn);
    crash_at(CRASH_NOBODY);
}

/* Reviews what is due, and rests until the next one is. */
static void turn_round(struct reaper *reaper) REQUIRES(reaper->registry->lock) {
    struct conn *batch[BATCH];
    size_t n = collect_conns(reaper, batch);

    lock_release(&reaper->registry->lock);
    for (size_t i = 0; i < n; i++)
        review_conn(batch[i]);
    pump_pool_trim(reaper->pumps);
    usec_t legs = leg_pool_trim(reaper->legs);
    lock_acquire(&reaper->registry->lock);
    usec_t now = clock_now(), next = wheel_next(&reaper->registry->reviews);
    if (legs == USEC_NEVER && leg_pool_has_any(reaper->legs)) /* since then */
        legs = now + LEG_IDLE_MAX;
    next = next < legs ? next : legs;
    next = next < now + PUMP_IDLE_MAX ? next : now + PUMP_IDLE_MAX;
    if (reaper->stop || next <= now)
        return;
    reaper->registry->sleeps_until = next;
    cond_wait_until(&reaper->registry->sooner, &reaper->registry->lock, next);
    reaper->registry->sleeps_until = 0;
}

static void reaper_thread(void *arg) {
    struct reaper *reaper = arg;

    lock_acquire(&reaper->registry->lock);
    while (!reaper->stop)
        turn_round(reaper);
    lock_release(&reaper->registry->lock);
}

int reaper_start(struct reaper *reaper, struct registry *registry, struct pump_pool *pumps,
                 struct leg_pool *legs) UNCHECKED {
    *reaper = (struct reaper){.registry = registry, .pumps = pumps, .legs = legs};
    return thread_start(&reaper->thread, "reaper", NULL, reaper_thread, reaper);
}

void reaper_stop(struct reaper *reaper) {
    if (!reaper->thread.running)
        return;
    lock_acquire(&reaper->registry->lock);
    reaper->stop = true;
    cond_signal(&reaper->registry->sooner);
    lock_release(&reaper->registry->lock);
    thread_join(&reaper->thread);
}
