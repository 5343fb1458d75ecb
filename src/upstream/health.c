/* The checker's thread: a loop around poll(2). It is not on the road, and many checks are under way at a time, so it is
 * the one place besides the resolver that polls.
 *
 * whose_target: a target belongs to the checker's thread once health_add has put it into the list. Others only mark it
 * as removed, under the lock; the thread releases and frees it. */
#include "upstream/health.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>
#include <errno.h>

#include "base/fd.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/text.h"
#include "base/thread.h"
#include "upstream/check.h"
#include "upstream/health_target.h"

#define FIRST_WITHIN                                                                               \
    (500 * USEC_PER_MSEC)         /* the first checks are spread over so much, or an interval */
#define GOLDEN 0.6180339887498949 /* multiples of it, modulo 1, lie apart however many there are */

struct health_target {
    LIST_ENTRY(health_target) link;
    struct health_wish wish;
    struct check_wish check_wish;
    struct check check;
    struct health_state state;
    usec_t due;      /* when the next check begins */
    usec_t deadline; /* of the one under way */
    size_t polled;   /* its place in the poll set, plus one; 0: it has none */
    bool removed GUARDED;
};

struct health {
    struct lock lock;
    struct thread thread;
    int wake; /* eventfd */
    LIST_HEAD(target_list, health_target) targets GUARDED;
    size_t n GUARDED, added GUARDED;
    bool retired GUARDED, stopping GUARDED;
    struct pollfd *set; /* the thread's, with room for n + 1 */
    size_t room;
};

struct health *health_new(void) {
    struct health *health = calloc(1, sizeof(*health));

    if (health == NULL)
        return NULL;
    health->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (health->wake < 0) {
        free(health);
        return NULL;
    }
    lock_init(&health->lock, RANK_LEAF);
    LIST_INIT(&health->targets);
    return health;
}

static void wake(struct health *health) {
    uint64_t one = 1;

    (void)!write(health->wake, &one, sizeof(one)); /* full: it is awake */
}

static void free_target(struct health_target *target) {
    check_end(&target->check);
    target->wish.release(target->wish.arg);
    free(target);
}

struct health_target *health_add(struct health *health, const struct health_wish *wish) {
    struct health_target *target = calloc(1, sizeof(*target));

    if (target == NULL)
        return NULL;
    target->wish = *wish;
    target->check_wish = (struct check_wish){.config = wish->config,
                                             .addr = wish->addr,
                                             .source = wish->source,
                                             .send_proxy = wish->send_proxy};
    target->check.fd = -1;
    health_state_init(&target->state, wish->down);
    usec_t spread = wish->config->interval < FIRST_WITHIN ? wish->config->interval : FIRST_WITHIN;
    lock_acquire(&health->lock);
    double turn = (double)health->added++ * GOLDEN;
    target->due = clock_now() + (usec_t)((turn - (double)(usec_t)turn) * (double)spread);
    LIST_INSERT_HEAD(&health->targets, target, link);
    health->n++;
    lock_release(&health->lock);
    wake(health);
    return target;
}

void health_remove(struct health *health, struct health_target *target) {
    lock_acquire(&health->lock);
    target->removed = true;
    lock_release(&health->lock);
    wake(health);
}

void health_retire(struct health *health) {
    lock_acquire(&health->lock);
    health->retired = true;
    lock_release(&health->lock);
    wake(health);
}

/* Takes the removed ones out of the list, to be freed without the lock. */
static void take_removed(struct health *health, struct target_list *ret_gone)
    REQUIRES(health->lock) {
    struct health_target *target = LIST_FIRST(&health->targets);

    LIST_INIT(ret_gone);
    while (target != NULL) {
        struct health_target *next = LIST_NEXT(target, link);

        if (target->removed) {
            LIST_REMOVE(target, link);
            LIST_INSERT_HEAD(ret_gone, target, link);
            health->n--;
        }
        target = next;
    }
}

static void free_list(struct target_list *list) {
    struct health_target *target;

    while ((target = LIST_FIRST(list)) != NULL) {
        LIST_REMOVE(target, link);
        free_target(target);
    }
}

/* Whether the target, and the checker, are still wanted: asked before anything is told. */
static bool is_wanted(struct health *health, const struct health_target *target) {
    lock_acquire(&health->lock);
    bool wanted = !target->removed && !health->retired && !health->stopping;
    lock_release(&health->lock);
    return wanted;
}

static void tell(struct health_target *target, struct health_news news, const char *why) {
    unsigned rise = health_state_rise(&target->state, target->wish.config);
    char up[64];

    if (news.changed && !target->state.down)
        snprintf(up, sizeof(up), "%u check%s in a row succeeded", rise, rise == 1 ? "" : "s");
    if (news.changed)
        target->wish.changed(target->wish.arg, !target->state.down, target->state.down ? why : up);
    if (news.flaps)
        target->wish.flaps(target->wish.arg, rise);
}

/* A check has come to its verdict. */
static void conclude(struct health *health, struct health_target *target,
                     enum check_state verdict) {
    check_end(&target->check);
    if (verdict == CHECK_NOTHING || !is_wanted(health, target))
        return;
    stats_add(STAT_checks, 1);
    if (verdict == CHECK_BAD)
        stats_add(STAT_check_failures, 1);
    struct health_news news =
        health_state_take(&target->state, target->wish.config, verdict == CHECK_GOOD, clock_now());
    tell(target, news, target->check.why);
}

static void begin(struct health *health, struct health_target *target, usec_t now) {
    target->due = now + target->wish.config->interval;
    target->deadline = now + target->wish.config->timeout;
    enum check_state state = check_begin(&target->check, &target->check_wish);
    if (state != CHECK_GOES_ON)
        conclude(health, target, state);
}

static void time_out(struct health *health, struct health_target *target) {
    char span[32];

    snprintf(target->check.why, sizeof(target->check.why), "no answer in %s",
             text_format_duration(target->wish.config->timeout, span, sizeof(span)));
    conclude(health, target, CHECK_BAD);
}

/* Room in the poll set for so many targets; false: no memory, and what there is will do. */
static bool make_room(struct health *health, size_t n) {
    struct pollfd *more;

    if (n + 1 <= health->room)
        return true;
    more = reallocarray(health->set, n + 8, sizeof(*more));
    if (more == NULL)
        return false;
    health->set = more;
    health->room = n + 8;
    return true;
}

/* What is due is done; what is under way goes into the poll set. Returns its size, and when something is due next.
 * Only this thread takes targets out of the list, so it may walk along it; others put theirs at its head, which a walk
 * that has begun does not see. */
static size_t turn(struct health *health, struct health_target *first, usec_t *ret_next) {
    size_t n = 1;

    health->set[0] = (struct pollfd){.fd = health->wake, .events = POLLIN};
    for (struct health_target *target = first; target != NULL; target = LIST_NEXT(target, link)) {
        usec_t now = clock_now();

        if (target->check.fd >= 0 && now >= target->deadline)
            time_out(health, target);
        if (target->check.fd < 0 && now >= target->due)
            begin(health, target, now);
        target->polled = 0;
        if (target->check.fd >= 0 && n < health->room) {
            health->set[n] =
                (struct pollfd){.fd = target->check.fd, .events = check_events(&target->check)};
            target->polled = ++n;
        }
        usec_t then = target->check.fd >= 0 ? target->deadline : target->due;
        *ret_next = then < *ret_next ? then : *ret_next;
    }
    return n;
}

static void go_on(struct health *health, struct health_target *first) {
    uint64_t count;

    if (health->set[0].revents != 0)
        (void)!read(health->wake, &count, sizeof(count));
    for (struct health_target *target = first; target != NULL; target = LIST_NEXT(target, link)) {
        if (target->polled == 0 || health->set[target->polled - 1].revents == 0)
            continue;
        enum check_state state = check_go_on(&target->check, &target->check_wish);
        if (state != CHECK_GOES_ON)
            conclude(health, target, state);
    }
}

static void health_thread(void *arg) {
    struct health *health = arg;
    struct target_list gone;

    for (;;) {
        usec_t next = USEC_NEVER;

        lock_acquire(&health->lock);
        bool stopping = health->stopping, retired = health->retired;
        take_removed(health, &gone);
        struct health_target *first = retired ? NULL : LIST_FIRST(&health->targets);
        size_t n = health->n;
        lock_release(&health->lock);
        free_list(&gone);
        if (stopping)
            return;
        (void)make_room(health, n); /* without memory some checks are not polled, and time out */
        nfds_t size = (nfds_t)turn(health, first, &next);
        usec_t now = clock_now(), left = next > now ? next - now : 0;
        struct timespec wait = clock_timespec(left);
        if (ppoll(health->set, size, next == USEC_NEVER ? NULL : &wait, NULL) >= 0)
            go_on(health, first);
    }
}

int health_start(struct health *health) {
    if (!make_room(health, 0))
        return -ENOMEM;
    return thread_start(&health->thread, "health", NULL, health_thread, health);
}

void health_free(struct health *health) UNCHECKED {
    if (health == NULL)
        return;
    lock_acquire(&health->lock);
    health->stopping = true;
    lock_release(&health->lock);
    wake(health);
    thread_join(&health->thread);
    free_list(&health->targets);
    free(health->set);
    fd_close(&health->wake);
    lock_destroy(&health->lock);
    free(health);
}
