/* health/health: the checker's thread, with real servers on loopback. What a target tells is waited
 * for. */
#include "unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/stats.h"
#include "base/sync.h"
#include "base/thread.h"
#include "cpu_time.h"
#include "health/check.h"
#include "health/check_history.h"
#include "health/health.h"

#define LONG (3600 * USEC_PER_SEC)

static char path[] = "/", host[] = "", expect[] = "200-399";
static struct health_check_config tcp, http;

static struct lock lock;
static struct cond news;

/* What a target has told and what came of it, under the lock. Static in each test: the checker
 * outlives the test by its tear_down. */
struct witness {
    struct health_target *target;
    const struct health_check_config *config;
    struct check_history history;
    unsigned ups, downs, flaps, released;
    int64_t in_a_row;          /* checks that made the last change */
    uint64_t checks;           /* those that had come to an outcome when it told the last change */
    char why[CHECK_WHY_MAX];   /* of the last change */
    bool removes_itself;       /* at the first change */
    const _Atomic bool *waits; /* with the first change, until this is true */
};

static struct health *health;
static uint64_t added;
static bool soon = true;

static void on_checked(void *arg, bool good, const char *why) {
    struct witness *witness = arg;

    lock_acquire(&lock);
    struct check_news now =
        check_history_judge(&witness->history, witness->config, good, clock_now());
    if (now.changed) {
        witness->ups += good;
        witness->downs += !good;
        witness->in_a_row = now.checks;
        witness->checks = stats_get(STAT_checks);
        snprintf(witness->why, sizeof(witness->why), "%s", good ? "" : why);
    }
    if (now.flaps)
        witness->flaps = (unsigned)check_history_rise(&witness->history, witness->config);
    cond_broadcast(&news);
    while (now.changed &&
           ((witness->waits != NULL && !atomic_load(witness->waits)) || witness->target == NULL))
        cond_wait(&news, &lock); /* health_add may not have returned yet */
    lock_release(&lock);
    if (now.changed && witness->removes_itself)
        health_remove(health, witness->target);
}

static void on_release(void *arg) {
    struct witness *witness = arg;

    lock_acquire(&lock);
    witness->released++;
    cond_broadcast(&news);
    lock_release(&lock);
}

static void await_told(const unsigned *count, unsigned least) {
    lock_acquire(&lock);
    while (*count < least)
        cond_wait(&news, &lock);
    lock_release(&lock);
}

static unsigned read_told(const unsigned *count) {
    lock_acquire(&lock);
    unsigned value = *count;
    lock_release(&lock);
    return value;
}

/* Nothing tells of a check that changes nothing; its counter does. */
static void await_stat(enum counter which, uint64_t least) {
    const struct timespec pause = {.tv_nsec = 1000000};

    while (stats_get(which) < least)
        (void)nanosleep(&pause, NULL);
}

static int set_up(void **state) {
    (void)state;
    tcp = http = (struct health_check_config){.interval = 20 * USEC_PER_MSEC,
                                              .timeout = 20 * USEC_PER_SEC,
                                              .rise = 2,
                                              .fall = 3,
                                              .path = path,
                                              .host = host,
                                              .expect = expect,
                                              .expected = {{200, 399}},
                                              .n_expected = 1};
    http.type = CHECK_HTTP;
    health = health_new();
    if (health == NULL || health_start(health) < 0)
        return -1;
    health_begin(health);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    health_free(health);
    health = NULL;
    return 0;
}

static void add(struct witness *witness, const struct addr *addr,
                const struct health_check_config *config) {
    const struct check_wish wish = {.config = config,
                                    .addr = *addr,
                                    .soon = soon,
                                    .number = ++added,
                                    .checked = on_checked,
                                    .release = on_release,
                                    .arg = witness};

    lock_acquire(&lock);
    witness->config = config;
    lock_release(&lock);
    struct health_target *target = health_add(health, &wish);
    assert_non_null(target);
    lock_acquire(&lock);
    witness->target = target;
    cond_broadcast(&news);
    lock_release(&lock);
}

/* A socket that listens; if *addr is an address, there. Whoever connects waits in its backlog and
 * hears nothing. */
static int listening(struct addr *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    if (addr->len == 0) {
        addr->len = sizeof(addr->u.in);
        addr->u.in.sin_family = AF_INET;
        addr->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, &addr->u.sa, addr->len), 0);
    assert_int_equal(listen(fd, 4096), 0);
    assert_int_equal(getsockname(fd, &addr->u.sa, &addr->len), 0);
    return fd;
}

static struct addr dead_address(void) {
    struct addr addr = {.len = 0};
    int fd = listening(&addr);

    fd_close(&fd);
    return addr;
}

static void a_server_goes_and_comes(void **state) {
    static struct witness witness;
    struct addr addr = {.len = 0};
    int fd = listening(&addr);
    uint64_t before = stats_get(STAT_checks), failures = stats_get(STAT_check_failures);

    (void)state;
    add(&witness, &addr, &tcp);
    await_stat(STAT_checks, before + 3);
    assert_int_equal(read_told(&witness.downs) + read_told(&witness.ups),
                     0); /* as it was taken for */
    fd_close(&fd);
    await_told(&witness.downs, 1);
    assert_string_equal(witness.why, "connect: Connection refused");
    assert_true(stats_get(STAT_check_failures) >= failures + 3);
    fd = listening(&addr);
    await_told(&witness.ups, 1);
    assert_int_equal(witness.in_a_row, 2);
    assert_int_equal(read_told(&witness.downs), 1);
    assert_int_equal(read_told(&witness.flaps), 0);
    tear_down(NULL);
    fd_close(&fd);
}

/* A server that answers each connection with the next status of its script, and then with the last
 * one for ever. */
struct origin {
    struct addr addr;
    int fd;
    const unsigned *script;
    size_t n;
    struct thread thread;
};

static void answer(void *arg) {
    struct origin *origin = arg;
    char text[4096];

    for (size_t i = 0;; i += i + 1 < origin->n) {
        int fd = accept(origin->fd, NULL, NULL);

        if (fd < 0)
            return; /* shut down */
        if (recv(fd, text, sizeof(text), 0) > 0) {
            int n = snprintf(text, sizeof(text), "HTTP/1.1 %u x\r\n\r\n", origin->script[i]);
            (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
        }
        while (recv(fd, text, sizeof(text), 0) > 0)
            ;
        fd_close(&fd);
    }
}

static void start_origin(struct origin *origin) {
    origin->fd = listening(&origin->addr);
    assert_int_equal(thread_start(&origin->thread, "origin", NULL, answer, origin), 0);
}

static void stop_origin(struct origin *origin) {
    (void)shutdown(origin->fd, SHUT_RDWR); /* wakes accept(2) */
    thread_join(&origin->thread);
    fd_close(&origin->fd);
}

static void rise_and_fall_are_counted_exactly(void **state) {
    static const unsigned script[] = {200, 503, 500, 204, 503, 404, 503, 302, 503, 200, 399, 200};
    struct origin origin = {.script = script, .n = ARRAY_LEN(script)};
    static struct witness witness;
    uint64_t before = stats_get(STAT_checks);

    (void)state;
    start_origin(&origin);
    add(&witness, &origin.addr, &http);
    await_told(&witness.downs, 1);
    await_told(&witness.ups, 1);
    assert_int_equal(witness.checks, before + 11); /* the second good one in a row after the 9th */
    await_stat(STAT_checks, before + 15);
    assert_int_equal(read_told(&witness.downs), 1);
    assert_int_equal(read_told(&witness.ups), 1);
    tear_down(NULL);
    stop_origin(&origin);

    /* And the fall, with nothing after it. */
    struct origin falling = {.script = script, .n = 7};
    static struct witness other;
    assert_int_equal(set_up(NULL), 0);
    before = stats_get(STAT_checks);
    start_origin(&falling);
    add(&other, &falling.addr, &http);
    await_told(&other.downs, 1);
    assert_int_equal(other.checks, before + 7);
    assert_string_equal(other.why, "status 503, expected 200-399");
    tear_down(NULL);
    stop_origin(&falling);
}

static void the_first_check_decides_alone(void **state) {
    struct addr addr = dead_address();
    static struct witness witness;
    uint64_t before = stats_get(STAT_checks);

    (void)state;
    tcp.fall = 100;
    add(&witness, &addr, &tcp);
    await_told(&witness.downs, 1);
    assert_int_equal(witness.checks, before + 1);
}

static void who_flaps_is_told_of(void **state) {
    static const unsigned script[] = {200, 500, 200, 500, 200, 500, 200, 200, 200};
    struct origin origin = {.script = script, .n = ARRAY_LEN(script)};
    static struct witness witness;
    uint64_t before = stats_get(STAT_checks);

    (void)state;
    http.rise = http.fall = 1;
    start_origin(&origin);
    add(&witness, &origin.addr, &http);
    await_told(&witness.flaps, 2);
    assert_int_equal(read_told(&witness.downs), 3);
    await_told(&witness.ups, 3);
    assert_int_equal(witness.checks, before + 8);
    assert_int_equal(witness.in_a_row, 2);
    tear_down(NULL);
    stop_origin(&origin);
}

static void who_is_silent_is_given_up_in_time(void **state) {
    static struct witness witness;
    struct addr silent = {.len = 0};
    int fd = listening(&silent);
    usec_t began = clock_now(), used = cpu_time(CLOCK_PROCESS_CPUTIME_ID);

    (void)state;
    http.timeout = 300 * USEC_PER_MSEC; /* longer than the interval, too */
    add(&witness, &silent, &http);
    await_told(&witness.downs, 1);
    assert_string_equal(witness.why, "no answer in 300ms");
    assert_true(clock_now() - began >= http.timeout);
    assert_true(cpu_time(CLOCK_PROCESS_CPUTIME_ID) - used <
                http.timeout / 3); /* it waits; it does not spin */
    fd_close(&fd);
}

/* Twenty that are checked every 20 ms, beside ten whose checks never end. */
static void who_hangs_delays_nobody(void **state) {
    static struct witness stuck[10], lively[20], other;
    static struct health_check_config slow;
    struct addr silent = {.len = 0}, good = {.len = 0};
    int deaf = listening(&silent), fd = listening(&good), accepted[ARRAY_LEN(stuck)];
    struct addr dead = dead_address();

    (void)state;
    slow = http;
    slow.timeout = LONG;
    for (size_t i = 0; i < ARRAY_LEN(stuck); i++)
        add(&stuck[i], &silent, &slow);
    for (size_t i = 0; i < ARRAY_LEN(stuck); i++)
        accepted[i] = accept(deaf, NULL, NULL); /* all of them are under way now, and stay */
    usec_t began = clock_now();
    uint64_t before = stats_get(STAT_checks);
    for (size_t i = 0; i < ARRAY_LEN(lively); i++)
        add(&lively[i], &good, &tcp);
    await_stat(STAT_checks,
               before + 10 * ARRAY_LEN(lively)); /* 200 ms, on a machine that is idle */
    assert_true(clock_now() - began < 10 * USEC_PER_SEC);
    add(&other, &dead, &tcp);
    await_told(&other.downs, 1);
    for (size_t i = 0; i < ARRAY_LEN(stuck); i++)
        assert_int_equal(read_told(&stuck[i].downs) + read_told(&stuck[i].ups), 0);
    for (size_t i = 0; i < ARRAY_LEN(lively); i++)
        assert_int_equal(read_told(&lively[i].downs), 0);

    health_retire(health);
    began = clock_now();
    tear_down(NULL);
    assert_true(clock_now() - began < USEC_PER_SEC);
    for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
        assert_int_equal(stuck[i].released, 1);
        fd_close(&accepted[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(lively); i++)
        assert_int_equal(lively[i].released, 1);
    fd_close(&deaf);
    fd_close(&fd);
}

/* CPU time of so many checks of one target, beside others that are not due. */
static usec_t cost_of_checks(struct witness *witness, const struct addr *addr, uint64_t n) {
    add(witness, addr, &tcp);
    await_stat(STAT_checks, stats_get(STAT_checks) + 10);
    usec_t used = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
    await_stat(STAT_checks, stats_get(STAT_checks) + n);
    return cpu_time(CLOCK_PROCESS_CPUTIME_ID) - used;
}

/* Ten thousand others, whose turns are far away, cost nothing. */
static void a_check_costs_the_same_beside_many(void **state) {
    static struct witness alone, idle[10000], busy;
    static struct health_check_config seldom;
    struct addr addr = {.len = 0};
    int fd = listening(&addr);

    (void)state;
    tcp.interval = 10 * USEC_PER_MSEC;
    usec_t few = cost_of_checks(&alone, &addr, 50);
    seldom = tcp;
    seldom.interval = LONG;
    soon = false;
    usec_t used = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < ARRAY_LEN(idle); i++)
        add(&idle[i], &addr, &seldom);
    assert_true(cpu_time(CLOCK_PROCESS_CPUTIME_ID) - used <
                3 * USEC_PER_SEC); /* to have them added: not the square of them */
    soon = true;
    health_remove(health, alone.target);
    await_told(&alone.released, 1);
    usec_t many = cost_of_checks(&busy, &addr, 50);
    assert_true(many < 5 * few + 20 * USEC_PER_MSEC); /* it was 30 times as much */
    tear_down(NULL);
    fd_close(&fd);
}

/* The plan is tested to the microsecond in test_health_target; here, that the thread follows it:
 * there is a round in which every check keeps its distance. On a machine that is busy with other
 * things it is not the first. */
static void checks_are_spread(void **state) {
    static struct witness witnesses[10];
    struct addr addr = {.len = 0};
    int fd = listening(&addr);
    usec_t last = 0;

    (void)state;
    tcp.interval = 400 * USEC_PER_MSEC;
    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++)
        add(&witnesses[i], &addr, &tcp);
    for (size_t apart = 0; apart < ARRAY_LEN(witnesses); apart++) {
        int one = accept(fd, NULL, NULL);
        usec_t now = clock_now();

        if (now - last <= tcp.interval / 40)
            apart = 0;
        last = now;
        fd_close(&one);
    }
    tear_down(NULL);
    fd_close(&fd);
}

static void who_is_retired_is_silent(void **state) {
    static struct witness witnesses[3];
    struct addr silent = {.len = 0};
    int fd = listening(&silent), one;

    (void)state;
    http.timeout = LONG;
    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++)
        add(&witnesses[i], &silent, &http);
    one = accept(fd, NULL, NULL);
    assert_true(one >= 0);
    char request[1024];
    health_retire(health);
    while (recv(one, request, sizeof(request), 0) > 0)
        ; /* the check that was under way is closed */
    fd_close(&one);
    fd_close(&fd); /* and that nobody listens any more is not found out */
    uint64_t checks = stats_get(STAT_checks);
    add(&witnesses[0], &silent, &tcp); /* not even for a newcomer */
    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++)
        health_remove(health, witnesses[i].target);
    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++)
        await_told(&witnesses[i].released, 1);
    tear_down(NULL);
    assert_int_equal(stats_get(STAT_checks), checks);
    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++)
        assert_int_equal(witnesses[i].downs + witnesses[i].ups, 0);
    assert_int_equal(witnesses[0].released, 2);
}

static void who_is_removed_is_released_at_once(void **state) {
    static struct witness waiting[5], hanging, itself = {.removes_itself = true};
    struct addr silent = {.len = 0};
    int fd = listening(&silent), one;
    struct addr dead = dead_address();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        add(&waiting[i], &dead, &tcp);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        health_remove(health, waiting[i].target); /* before its first check, or after */
    http.timeout = LONG;
    add(&hanging, &silent, &http);
    one = accept(fd, NULL, NULL);
    assert_true(one >= 0);
    usec_t began = clock_now();
    health_remove(health, hanging.target);
    await_told(&hanging.released, 1);
    assert_true(clock_now() - began < USEC_PER_SEC);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        await_told(&waiting[i].released, 1);
    add(&itself, &dead, &tcp);
    await_told(&itself.released, 1);
    assert_int_equal(read_told(&itself.downs), 1);
    fd_close(&one);
    fd_close(&fd);
}

static void targets_may_come_before_the_start(void **state) {
    struct addr dead = dead_address();
    static struct witness early, removed, never;

    (void)state;
    health_free(health);
    health = health_new();
    add(&early, &dead, &tcp);
    add(&removed, &dead, &tcp);
    health_remove(health, removed.target);
    assert_int_equal(health_start(health), 0);
    health_begin(health);
    await_told(&removed.released, 1);
    await_told(&early.downs, 1);
    tear_down(NULL);
    assert_int_equal(early.released, 1);
    assert_int_equal(removed.downs, 0);

    health = health_new(); /* and of one that is never started nothing is left, either */
    add(&never, &dead, &tcp);
    tear_down(NULL);
    assert_int_equal(never.released, 1);
    health_free(NULL);
}

static void want_of_descriptors_takes_nobody_down(void **state) {
    struct rlimit usual, none;
    static struct witness witness;
    struct addr addr = {.len = 0};
    int fd = listening(&addr);
    uint64_t checks = stats_get(STAT_checks), voids = stats_get(STAT_checks_void);

    (void)state;
    add(&witness, &addr, &tcp);
    await_stat(STAT_checks, checks + 2);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 3; /* nothing new can be opened */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    await_stat(STAT_checks_void, voids + 1); /* those that were under way have ended by now */
    fd_close(&fd);                           /* it is down, but who can tell? */
    await_stat(STAT_checks_void, voids + 10);
    unsigned downs = read_told(&witness.downs);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_int_equal(downs, 0);
    await_told(&witness.downs, 1);
    assert_string_equal(witness.why, "connect: Connection refused");
}

/* The thread is held up by somebody's call-back for longer than another's check may take, twice
 * over. */
static void want_of_time_takes_nobody_down(void **state) {
    static _Atomic bool go_on;
    static struct witness patient, holding = {.waits = &go_on};
    struct addr silent = {.len = 0};
    uint64_t voids = stats_get(STAT_checks_void);
    int fd = listening(&silent);
    struct addr dead = dead_address();

    (void)state;
    http.interval = LONG;
    http.timeout = 300 * USEC_PER_MSEC;
    add(&patient, &silent, &http);
    int one = accept(fd, NULL, NULL); /* the check is under way */
    usec_t late = clock_now() + 3 * http.timeout;
    add(&holding, &dead, &tcp);
    await_told(&holding.downs, 1);
    lock_acquire(&lock);
    while (cond_wait_until(&news, &lock, late))
        ;
    atomic_store(&go_on, true);
    cond_broadcast(&news);
    lock_release(&lock);
    await_stat(STAT_checks_void, voids + 1);
    tear_down(NULL);
    assert_int_equal(patient.downs, 0);
    fd_close(&one);
    fd_close(&fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_goes_and_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rise_and_fall_are_counted_exactly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_check_decides_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_flaps_is_told_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_silent_is_given_up_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_hangs_delays_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_check_costs_the_same_beside_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_are_spread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_retired_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_removed_is_released_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(targets_may_come_before_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_descriptors_takes_nobody_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(want_of_time_takes_nobody_down, set_up, tear_down),
    };

    lock_init(&lock, RANK_LEAF);
    cond_init(&news);
    thread_init_process();
    alarm(50); /* a hang is a failure */
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
