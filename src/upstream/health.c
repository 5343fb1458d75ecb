/* The checker's thread: a loop around ppoll(2), with sockets that do not block. Nothing here is on the road, where each
 * thread waits for one thing; here one thread waits for many, because checks are many, short and mostly idle.
 *
 * whose_target: health_add puts a target among the newcomers; the thread takes it from there into its own list, which
 * nobody else touches. Others only mark a target as removed and wake the thread, which releases and frees it. */
#include "upstream/health.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/text.h"
#include "base/thread.h"
#include "upstream/health_target.h"

#define ROOM_STEP 16                    /* the poll set grows by so many places */
#define LATE_MIN  (100 * USEC_PER_MSEC) /* less is how a busy machine is */

LIST_HEAD(target_list, health_target);

struct health {
    struct lock lock;
    struct thread thread;
    int wake; /* eventfd: something below has changed; -1 before the start */
    _Atomic bool begun, retired, stop;
    struct target_list newcomers GUARDED;
    /* The thread's: */
    struct target_list targets;
    struct pollfd *set; /* first the eventfd, then the checks under way */
    size_t room, under_way;
};

struct health *health_new(void) UNCHECKED {
    struct health *health = calloc(1, sizeof(*health));

    if (health == NULL)
        return NULL;
    lock_init(&health->lock, RANK_LEAF);
    LIST_INIT(&health->newcomers);
    LIST_INIT(&health->targets);
    health->wake = -1;
    return health;
}

static void wake(struct health *health) {
    if (health->wake >= 0)
        (void)eventfd_write(health->wake, 1); /* fails only if it is full, and the thread awake */
}

struct health_target *health_add(struct health *health, const struct health_wish *wish) {
    struct health_target *target = malloc(sizeof(*target));

    if (target == NULL)
        return NULL;
    health_target_init(target, wish);
    if (check_init(&target->check, &target->wish) < 0) {
        free(target);
        return NULL;
    }
    lock_acquire(&health->lock);
    LIST_INSERT_HEAD(&health->newcomers, target, link);
    lock_release(&health->lock);
    wake(health);
    return target;
}

void health_remove(struct health *health, struct health_target *target) {
    atomic_store(&target->removed, true); /* from here on it may be gone */
    wake(health);
}

void health_begin(struct health *health) {
    atomic_store(&health->begun, true);
    wake(health);
}

void health_retire(struct health *health) {
    atomic_store(&health->retired, true);
    wake(health);
}

static void release(struct health_target *target) {
    LIST_REMOVE(target, link);
    check_destroy(&target->check);
    target->wish.release(target->wish.arg);
    free(target);
}

static bool is_under_way(const struct health_target *target) {
    return target->check.fd >= 0;
}

/* Takes in the newcomers, and lets go of the removed. */
static void sort_targets(struct health *health) {
    struct health_target *target, *next;

    lock_acquire(&health->lock);
    while ((target = LIST_FIRST(&health->newcomers)) != NULL) {
        LIST_REMOVE(target, link);
        LIST_INSERT_HEAD(&health->targets, target, link);
        target->due = health_target_first(target, clock_now());
    }
    lock_release(&health->lock);
    for (target = LIST_FIRST(&health->targets); target != NULL; target = next) {
        next = LIST_NEXT(target, link);
        if (!atomic_load(&target->removed))
            continue;
        health->under_way -= is_under_way(target);
        release(target);
    }
}

static bool is_wanted(const struct health *health, const struct health_target *target) {
    return !atomic_load(&health->retired) && !atomic_load(&health->stop) &&
           !atomic_load(&target->removed);
}

/* A check that was begun has come to its outcome. */
static void conclude(struct health *health, struct health_target *target,
                     enum check_outcome outcome) {
    check_end(&target->check);
    health->under_way--;
    if (!is_wanted(health, target))
        return;
    if (outcome != CHECK_VOID && target->wish.cut_off != NULL)
        target->wish.cut_off(target->wish.arg, outcome == CHECK_CUT_OFF ? target->check.error : 0);
    if (outcome == CHECK_VOID || outcome == CHECK_CUT_OFF) {
        stats_add(STAT_checks_void, 1);
        return;
    }
    stats_add(STAT_checks, 1);
    stats_add(STAT_check_failures, outcome == CHECK_BAD);
    target->wish.checked(target->wish.arg, outcome == CHECK_GOOD, target->check.why);
}

static bool make_room(struct health *health, size_t places) {
    if (places > health->room) {
        struct pollfd *more = reallocarray(health->set, places + ROOM_STEP, sizeof(*more));

        if (more == NULL)
            return false;
        health->set = more;
        health->room = places + ROOM_STEP;
    }
    return true;
}

static void begin(struct health *health, struct health_target *target, usec_t now) {
    enum check_outcome outcome = CHECK_VOID;

    target->due = health_target_next(target, now);
    target->deadline = now + target->wish.config->timeout;
    health->under_way++;
    if (make_room(health, 1 + health->under_way))
        outcome = check_begin(&target->check);
    if (outcome != CHECK_UNDER_WAY)
        conclude(health, target, outcome);
}

/* Begins what is due and makes the poll set. Returns when there is something to do next. */
static usec_t prepare(struct health *health) {
    struct health_target *target;
    usec_t next = USEC_NEVER;
    size_t slot = 1;

    LIST_FOREACH(target, &health->targets, link) {
        usec_t now = clock_now();

        if (!is_under_way(target) && now >= target->due)
            begin(health, target, now);
        usec_t then = is_under_way(target) ? target->deadline : target->due;
        next = then < next ? then : next;
        if (!is_under_way(target))
            continue;
        target->slot = slot++;
        health->set[target->slot] =
            (struct pollfd){.fd = target->check.fd, .events = check_events(&target->check)};
    }
    CHECK(slot == 1 + health->under_way);
    health->set[0] = (struct pollfd){.fd = health->wake, .events = POLLIN};
    return next;
}

/* What a check that has not come to an outcome of its own is worth now. If its time was up long ago, for as long as it
 * had, it was this thread that was not there (the machine stood still, or a call-back took long): that says nothing of
 * the server. */
static enum check_outcome look_at_time(struct health_target *target, usec_t now) {
    usec_t timeout = target->wish.config->timeout, late = now - target->deadline;
    char text[32];

    if (late < 0)
        return CHECK_UNDER_WAY;
    if (late > timeout && late > LATE_MIN)
        return CHECK_VOID;
    return check_bad(&target->check, "no answer in %s",
                     text_format_duration(timeout, text, sizeof(text)));
}

/* What has come is looked at first: an answer that is there was in time, even if this thread is late. */
static void go_on(struct health *health) {
    struct health_target *target;
    eventfd_t wakes;

    if (health->set[0].revents != 0)
        (void)eventfd_read(health->wake, &wakes);
    LIST_FOREACH(target, &health->targets, link) {
        enum check_outcome outcome = CHECK_UNDER_WAY;

        if (!is_under_way(target))
            continue;
        if (health->set[target->slot].revents != 0)
            outcome = check_go_on(&target->check);
        if (outcome == CHECK_UNDER_WAY)
            outcome = look_at_time(target, clock_now());
        if (outcome != CHECK_UNDER_WAY)
            conclude(health, target, outcome);
    }
}

/* All checks under way come to nothing. */
static void give_up(struct health *health) {
    struct health_target *target;

    LIST_FOREACH(target, &health->targets, link)
    if (is_under_way(target))
        conclude(health, target, CHECK_VOID);
}

static void health_thread(void *arg) {
    struct health *health = arg;

    while (!atomic_load(&health->stop)) {
        usec_t next = USEC_NEVER;

        sort_targets(health);
        if (atomic_load(&health->retired) || !atomic_load(&health->begun)) {
            give_up(health);
            health->set[0] = (struct pollfd){.fd = health->wake, .events = POLLIN};
        } else {
            next = prepare(health);
        }
        usec_t now = clock_now();
        struct timespec wait = clock_timespec(next > now ? next - now : 0);
        int r = ppoll(health->set, (nfds_t)(1 + health->under_way),
                      next == USEC_NEVER ? NULL : &wait, NULL);
        if (r >= 0)
            go_on(health);
        else if (errno != EINTR) /* no memory for so large a set: a smaller one takes none */
            give_up(health);
    }
}

int health_start(struct health *health) {
    CHECK(health->wake < 0);
    if (!make_room(health, 1))
        return -ENOMEM;
    health->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (health->wake < 0)
        return -errno;
    int r = thread_start(&health->thread, "health", NULL, health_thread, health);
    if (r < 0)
        fd_close(&health->wake);
    return r;
}

void health_stop(struct health *health) {
    atomic_store(&health->stop, true);
    wake(health);
    thread_join(&health->thread);
}

/* There is no thread any more that would need the lock. */
void health_free(struct health *health) UNCHECKED {
    struct health_target *target;

    if (health == NULL)
        return;
    health_stop(health);
    while ((target = LIST_FIRST(&health->newcomers)) != NULL)
        release(target);
    while ((target = LIST_FIRST(&health->targets)) != NULL)
        release(target);
    free(health->set);
    fd_close(&health->wake);
    lock_destroy(&health->lock);
    free(health);
}
