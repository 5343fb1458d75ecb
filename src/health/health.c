/* The checker's thread: a loop around epoll(7), with sockets that never block. Checks are many,
 * short and mostly idle, so one thread waits for all of them, other than on the road. A round costs
 * by what happens in it, not by how many targets there are.
 *
 * whose_target: health_add puts a target among the newcomers; the thread takes it into its agenda,
 * which nobody else touches. To remove it, others put it among the leavers, and the thread releases
 * and frees it. */
#include "health/health.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"
#include "health/agenda.h"
#include "health/health_target.h"

#define BATCH     64                    /* events of a round */
#define LATE_MIN  (100 * USEC_PER_MSEC) /* a busy machine may be as late */
#define QUIET     (500 * USEC_PER_MSEC) /* without a byte: the server waits for us to go */
#define ASK_AGAIN USEC_PER_SEC          /* for memory */

LIST_HEAD(target_list, health_target);
SLIST_HEAD(leaver_list, health_target);

struct health {
    struct lock lock;
    struct thread thread;
    int wake; /* eventfd: something below has changed; -1 before the start */
    int poll; /* epoll: checks under way, and that */
    _Atomic bool begun, retired, stop;
    _Atomic bool anew; /* see health_look_again */
    struct target_list newcomers GUARDED;
    struct leaver_list leavers GUARDED;
    struct agenda agenda; /* the thread's */
};

struct health *health_new(void) UNCHECKED {
    struct health *health = calloc(1, sizeof(*health));

    if (health == NULL)
        return NULL;
    lock_init(&health->lock, RANK_LEAF);
    LIST_INIT(&health->newcomers);
    SLIST_INIT(&health->leavers);
    health->wake = health->poll = -1;
    return health;
}

static void wake_checker(struct health *health) {
    if (health->wake >= 0)
        (void)eventfd_write(health->wake, 1); /* fails only when full: the thread is awake */
}

struct health_target *health_add(struct health *health, const struct check_wish *wish) {
    struct health_target *target = malloc(sizeof(*target));

    if (target == NULL)
        return NULL;
    health_target_init(target, wish);
    if (check_init(&target->check, &target->wish) < 0) {
        free(target);
        return NULL;
    }
    lock_acquire(&health->lock);
    LIST_INSERT_HEAD(&health->newcomers, target, entry);
    lock_release(&health->lock);
    wake_checker(health);
    return target;
}

void health_remove(struct health *health, struct health_target *target) {
    atomic_store(&target->removed, true);
    lock_acquire(&health->lock);
    SLIST_INSERT_HEAD(&health->leavers, target, leaves);
    lock_release(&health->lock); /* from here on it may be gone */
    wake_checker(health);
}

void health_begin(struct health *health) {
    atomic_store(&health->begun, true);
    wake_checker(health);
}

void health_look_again(struct health *health) {
    atomic_store(&health->anew, true);
    wake_checker(health);
}

void health_retire(struct health *health) {
    atomic_store(&health->retired, true);
    wake_checker(health);
}

static void release_target(struct health_target *target) {
    check_destroy(&target->check);
    target->wish.release(target->wish.arg);
    free(target);
}

static bool is_under_way(const struct health_target *target) {
    return target->check.fd >= 0;
}

/* Takes in the newcomers. False: some have to wait for memory. */
static bool take_newcomers(struct health *health) {
    struct health_target *target;
    bool whole = true;

    lock_acquire(&health->lock);
    while (whole && (target = LIST_FIRST(&health->newcomers)) != NULL) {
        target->due = health_target_first(target, clock_now());
        whole = target->filed = agenda_add(&health->agenda, target, target->due);
        if (whole)
            LIST_REMOVE(target, entry);
    }
    lock_release(&health->lock);
    return whole;
}

static struct health_target *take_leaver(struct health *health) {
    lock_acquire(&health->lock);
    struct health_target *target = SLIST_FIRST(&health->leavers);
    if (target != NULL)
        SLIST_REMOVE_HEAD(&health->leavers, leaves);
    if (target != NULL && !target->filed)
        LIST_REMOVE(target, entry);
    lock_release(&health->lock);
    return target;
}

static bool sort_targets(struct health *health) {
    bool whole = take_newcomers(health);
    struct health_target *target;

    while ((target = take_leaver(health)) != NULL) {
        if (target->filed)
            agenda_remove(&health->agenda, target);
        release_target(target);
    }
    return whole;
}

static bool is_wanted(const struct health *health, const struct health_target *target) {
    return !atomic_load(&health->retired) && !atomic_load(&health->stop) &&
           !atomic_load(&target->removed);
}

/* When the server must have ended it: the next check is due, and it had a while; unless it still
 * sends. */
static usec_t parts_until(const struct health_target *target) {
    usec_t interval = target->wish.config->interval;
    usec_t grace = clock_now() + (interval < QUIET ? interval : QUIET);

    return target->due > grace ? target->due : grace;
}

static void tell_outcome(struct health *health, struct health_target *target,
                         enum check_outcome outcome) {
    target->judged = true;
    target->parts = parts_until(target);
    target->seen = target->check.left;
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

/* After a step of its check: tells epoll and the agenda what comes next, and until when. */
static void follow_check(struct health *health, struct health_target *target) {
    short events = is_under_way(target) ? check_events(&target->check) : 0;
    struct epoll_event event = {.events = (uint32_t)events, .data.ptr = target};

    if (events != 0 && events != target->watched &&
        epoll_ctl(health->poll, target->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                  target->check.fd, &event) < 0) {
        check_end(&target->check); /* no memory */
        events = 0;
        if (!target->judged)
            tell_outcome(health, target, CHECK_VOID);
    }
    target->watched = events;
    usec_t moment = is_under_way(target) ? target->deadline : target->due;
    if (is_under_way(target) && target->judged && target->parts < moment)
        moment = target->parts;
    agenda_move(&health->agenda, target, moment);
}

/* To its outcome; and parts as fast as the server does. */
static void take_step(struct health *health, struct health_target *target,
                      enum check_outcome outcome) {
    if (outcome != CHECK_UNDER_WAY)
        tell_outcome(health, target, outcome);
    if (target->judged)
        check_part(&target->check);
}

/* The next check is due. */
static void begin_check(struct health *health, struct health_target *target, usec_t now) {
    target->due = health_target_next(target, now);
    target->rests = target->wish.wanted != NULL && !target->wish.wanted(target->wish.arg);
    if (target->rests)
        return;
    target->deadline = now + target->wish.config->timeout;
    target->judged = false;
    target->watched = 0;
    take_step(health, target, check_begin(&target->check));
}

/* The verdict on an overdue check. If its time was up as long ago as it had, this thread was not
 * there (the machine stood still, or a function took long): that says nothing of the server. */
static enum check_outcome look_at_time(struct health_target *target, usec_t now) {
    usec_t timeout = target->wish.config->timeout, late = now - target->deadline;

    if (late > timeout && late > LATE_MIN)
        return CHECK_VOID;
    return check_late(&target->check, timeout);
}

/* The next check is due. Whether the server still sends. */
static bool is_parting(struct health_target *target, usec_t now) {
    if (!target->judged || now >= target->deadline || target->check.left == target->seen)
        return false;
    target->seen = target->check.left;
    target->parts = now + QUIET;
    return true;
}

/* Its time is up. Looks at what has come first: an answer that is there was in time, even if this
 * thread is late. */
static void give_up_check(struct health *health, struct health_target *target, usec_t now) {
    struct pollfd one = {.fd = target->check.fd, .events = check_events(&target->check)};
    enum check_outcome outcome = CHECK_UNDER_WAY;

    if (is_parting(target, now))
        return;
    if (!target->judged && poll(&one, 1, 0) > 0)
        outcome = check_go_on(&target->check);
    if (!target->judged && outcome == CHECK_UNDER_WAY)
        outcome = look_at_time(target, now);
    take_step(health, target, outcome);
    check_end(&target->check);
}

/* Those that rest are looked at now. (One that moves up in the heap changes places with ones that
 * were looked at.) */
static void wake_resting(struct health *health) {
    for (size_t i = 0; i < health->agenda.n; i++)
        if (health->agenda.heap[i]->rests)
            agenda_move(&health->agenda, health->agenda.heap[i], clock_now());
}

/* Does what is due, and returns when something will be. */
static usec_t do_due(struct health *health) {
    struct health_target *target;

    while ((target = agenda_first(&health->agenda)) != NULL && !atomic_load(&health->retired)) {
        usec_t now = clock_now();

        if (target->moment > now)
            return target->moment;
        if (is_under_way(target))
            give_up_check(health, target, now);
        else
            begin_check(health, target, now);
        follow_check(health, target);
    }
    return USEC_NEVER;
}

static void look_at_events(struct health *health, const struct epoll_event *events, int n) {
    eventfd_t wakes;

    for (int i = 0; i < n; i++) {
        struct health_target *target = events[i].data.ptr;
        enum check_outcome outcome = CHECK_UNDER_WAY;

        if (target == NULL) {
            (void)eventfd_read(health->wake, &wakes);
            continue;
        }
        if (!is_under_way(target))
            continue;
        if (!target->judged)
            outcome = check_go_on(&target->check);
        take_step(health, target, outcome);
        follow_check(health, target);
    }
}

/* Ends all checks under way without an outcome. */
static void end_all(struct health *health) {
    for (size_t i = 0; i < health->agenda.n; i++)
        check_end(&health->agenda.heap[i]->check);
}

/* In milliseconds, rounded up. -1: for ever. */
static int wait_until(usec_t moment) {
    usec_t now = clock_now();

    if (moment == USEC_NEVER)
        return -1;
    usec_t wait = moment > now ? (moment - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC : 0;
    return wait < INT_MAX ? (int)wait : INT_MAX;
}

static void health_thread(void *arg) {
    struct health *health = arg;
    struct epoll_event events[BATCH];

    while (!atomic_load(&health->stop)) {
        usec_t next = USEC_NEVER;
        bool whole = sort_targets(health);

        if (atomic_load(&health->retired)) {
            end_all(health);
        } else if (atomic_load(&health->begun)) {
            if (atomic_exchange(&health->anew, false))
                wake_resting(health);
            next = do_due(health);
        }
        if (!whole && next > clock_now() + ASK_AGAIN)
            next = clock_now() + ASK_AGAIN;
        look_at_events(health, events, epoll_wait(health->poll, events, BATCH, wait_until(next)));
    }
}

static int open_poll(struct health *health) {
    struct epoll_event event = {.events = EPOLLIN};

    health->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    health->poll = epoll_create1(EPOLL_CLOEXEC);
    if (health->wake < 0 || health->poll < 0 ||
        epoll_ctl(health->poll, EPOLL_CTL_ADD, health->wake, &event) < 0)
        return -errno;
    return 0;
}

int health_start(struct health *health) {
    CHECK(health->wake < 0);
    int r = open_poll(health);
    if (r == 0)
        r = thread_start(&health->thread, "health", NULL, health_thread, health);
    if (r < 0) {
        fd_close(&health->wake);
        fd_close(&health->poll);
    }
    return r;
}

void health_stop(struct health *health) {
    atomic_store(&health->stop, true);
    wake_checker(health);
    thread_join(&health->thread);
}

/* The thread has ended, so the lock is not needed. */
void health_free(struct health *health) UNCHECKED {
    struct health_target *target;

    if (health == NULL)
        return;
    health_stop(health);
    while ((target = LIST_FIRST(&health->newcomers)) != NULL) {
        LIST_REMOVE(target, entry);
        release_target(target);
    }
    for (size_t i = 0; i < health->agenda.n; i++)
        release_target(health->agenda.heap[i]);
    agenda_free(&health->agenda);
    fd_close(&health->wake);
    fd_close(&health->poll);
    lock_destroy(&health->lock);
    free(health);
}
