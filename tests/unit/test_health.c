/* upstream/health: rise, fall and flapping (pure), and the checker's thread with real sockets. */
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
#include "upstream/check.h"
#include "upstream/health.h"
#include "upstream/health_target.h"

static struct health_check_config config = {.type = CHECK_TCP,
                                            .interval = 20 * USEC_PER_MSEC,
                                            .timeout = 200 * USEC_PER_MSEC,
                                            .rise = 2,
                                            .fall = 3,
                                            .path = (char[]){"/"},
                                            .host = (char[]){""},
                                            .expect = (char[]){"200-399"},
                                            .expected = {{200, 399}},
                                            .n_expected = 1};

/* Pure: so many checks in a row; whether the last one changed something. */
static bool take(struct health_state *state, int n, bool good, usec_t now) {
    struct health_news news = {.changed = false};

    for (int i = 0; i < n; i++) {
        assert_false(news.changed);
        news = health_state_take(state, &config, good, now);
    }
    return news.changed;
}

static void rise_and_fall_are_exact(void **state) {
    struct health_state health;

    (void)state;
    health_state_init(&health, false);
    assert_false(take(&health, 1, true, 1));
    assert_false(take(&health, 2, false, 1));
    assert_false(take(&health, 1, true, 1)); /* the row is broken */
    assert_true(take(&health, 3, false, 1));
    assert_true(health.down);
    assert_false(take(&health, 1, true, 1));
    assert_false(take(&health, 1, false, 1));
    assert_true(take(&health, 2, true, 1));
    assert_false(health.down);
}

static void the_first_check_decides_alone(void **state) {
    struct health_state health;

    (void)state;
    health_state_init(&health, false);
    assert_true(take(&health, 1, false, 1));
    health_state_init(&health, true); /* known to be down: two good ones, as ever */
    assert_false(take(&health, 1, true, 1));
    assert_true(take(&health, 1, true, 1));
}

static void who_flaps_is_held_down_longer_and_longer(void **state) {
    struct health_state health;
    usec_t now = USEC_PER_SEC;
    unsigned expected[] = {2, 2, 4, 8, 16, 32, 64, 128, 128};

    (void)state;
    health_state_init(&health, false);
    (void)take(&health, 1, true, now);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(take(&health, 3, false, now));
        assert_int_equal(health_state_rise(&health, &config), expected[i]);
        assert_true(take(&health, (int)expected[i], true, now));
        now += USEC_PER_SEC;
    }
    struct health_news news =
        health_state_take(&health, &config, true, now + FLAP_SPAN + 2 * USEC_PER_SEC);
    assert_true(news.flaps); /* it has calmed down */
    assert_int_equal(health_state_rise(&health, &config), 2);
    for (int i = 0; i < 5; i++) { /* seldom is not flapping */
        now += 2 * FLAP_SPAN;
        assert_true(take(&health, 3, false, now));
        assert_int_equal(health_state_rise(&health, &config), 2);
        assert_true(take(&health, 2, true, now));
    }
}

static void status_lines(void **state) {
    static const struct {
        const char *answer;
        enum check_state state; /* at its end */
        const char *why;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n", CHECK_GOOD, ""},
        {"HTTP/1.0 302 Found\r\n", CHECK_GOOD, ""},
        {"HTTP/1.1 204\r\n", CHECK_GOOD, ""},
        {"HTTP/1.1 503 x", CHECK_BAD, "status 503, expected 200-399"},
        {"HTTP/2 200 OK\r\n", CHECK_BAD, "not HTTP"},
        {"HTTP/1.1 2000", CHECK_BAD, "not HTTP"},
        {"HTTP/1.1 20x ", CHECK_BAD, "not HTTP"},
        {"SSH-2.0", CHECK_BAD, "not HTTP"},
        {"HTTP/1.1 20", CHECK_BAD, "before an answer"},
        {"", CHECK_BAD, "before an answer"},
    };
    struct check_wish wish = {.config = &config};
    char why[CHECK_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = strlen(cases[i].answer);
        enum check_state last = CHECK_GOES_ON;

        for (size_t k = 0; k <= n && last == CHECK_GOES_ON; k++)
            last = check_http_ops.judge(&wish, cases[i].answer, k, k == n, why, sizeof(why));
        assert_int_equal(last, cases[i].state);
        if (last == CHECK_BAD)
            assert_non_null(strstr(why, cases[i].why));
    }
}

/* With sockets: what targets have told, under this lock. */
static struct {
    struct lock lock;
    struct cond changed;
    unsigned ups, downs, released;
    char why[CHECK_WHY_MAX];
} told;

static void on_changed(void *arg, bool up, const char *why) {
    (void)arg;
    lock_acquire(&told.lock);
    told.ups += up;
    told.downs += !up;
    snprintf(told.why, sizeof(told.why), "%s", why);
    cond_broadcast(&told.changed);
    lock_release(&told.lock);
}

static void on_flaps(void *arg, unsigned rise) {
    (void)arg;
    (void)rise;
}

static void on_release(void *arg) {
    (void)arg;
    lock_acquire(&told.lock);
    told.released++;
    cond_broadcast(&told.changed);
    lock_release(&told.lock);
}

static void await_told(const unsigned *count, unsigned least) {
    lock_acquire(&told.lock);
    while (*count < least)
        cond_wait(&told.changed, &told.lock);
    lock_release(&told.lock);
}

static struct health *health;

static int set_up(void **state) {
    (void)state;
    told.ups = told.downs = told.released = 0;
    health = health_new();
    return health == NULL || health_start(health) < 0;
}

static int tear_down(void **state) {
    (void)state;
    health_free(health);
    return 0;
}

/* A socket that listens, on a port of its own. */
static int listening(struct addr *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *addr = (struct addr){.len = sizeof(addr->u.in)};
    addr->u.in.sin_family = AF_INET;
    addr->u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, &addr->u.sa, addr->len), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, &addr->u.sa, &addr->len), 0);
    return fd;
}

static struct health_target *add(const struct addr *addr, const struct health_check_config *how) {
    const struct health_wish wish = {.config = how,
                                     .addr = *addr,
                                     .changed = on_changed,
                                     .flaps = on_flaps,
                                     .release = on_release};
    struct health_target *target = health_add(health, &wish);

    assert_non_null(target);
    return target;
}

static void a_server_goes_and_comes(void **state) {
    struct addr addr;
    int fd = listening(&addr);

    (void)state;
    (void)add(&addr, &config);
    uint64_t before = stats_get(STAT_checks);
    while (stats_get(STAT_checks) < before + 3)
        usleep(1000);
    assert_int_equal(told.downs, 0);
    fd_close(&fd);
    await_told(&told.downs, 1);
    assert_string_equal(told.why, "connect: Connection refused");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(fd, &addr.u.sa, addr.len), 0);
    assert_int_equal(listen(fd, 1024), 0);
    await_told(&told.ups, 1);
    assert_string_equal(told.why, "2 checks in a row succeeded");
    fd_close(&fd);
}

static void who_hangs_delays_nobody(void **state) {
    struct health_check_config http = config, slow = config;
    struct addr silent, good;
    int deaf = listening(&silent), fd = listening(&good);
    usec_t began = clock_now();

    (void)state;
    http.type = slow.type = CHECK_HTTP;
    slow.timeout = 3600 * USEC_PER_SEC; /* it never comes to a verdict */
    for (int i = 0; i < 10; i++)
        (void)add(&silent, &slow);
    for (int i = 0; i < 10; i++)
        (void)add(&good, &config);
    uint64_t before = stats_get(STAT_checks);
    while (stats_get(STAT_checks) < before + 100)
        usleep(1000);
    assert_true(clock_now() - began < 20 * USEC_PER_SEC);
    (void)add(&silent, &http); /* this one times out */
    await_told(&told.downs, 1);
    assert_string_equal(told.why, "no answer in 200ms");
    began = clock_now();
    health_retire(health);
    health_free(health);
    health = NULL;
    assert_true(clock_now() - began < USEC_PER_SEC);
    assert_int_equal(told.released, 21);
    fd_close(&deaf);
    fd_close(&fd);
}

static void checks_are_spread(void **state) {
    struct health_check_config wide = config;
    struct addr addr;
    int fd = listening(&addr);
    usec_t moments[10];

    (void)state;
    wide.interval = 400 * USEC_PER_MSEC;
    for (int i = 0; i < 10; i++)
        (void)add(&addr, &wide);
    for (int i = 0; i < 10; i++) {
        int one = accept(fd, NULL, NULL);

        moments[i] = clock_now();
        fd_close(&one);
    }
    /* Ten at once would come within a millisecond; they come over most of an interval. */
    assert_true(moments[9] - moments[0] > wide.interval / 2);
    fd_close(&fd);
}

static void who_is_removed_is_released(void **state) {
    struct addr addr;
    int fd = listening(&addr);
    struct health_target *targets[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        targets[i] = add(&addr, &config);
    for (int i = 0; i < 5; i++)
        health_remove(health, targets[i]);
    await_told(&told.released, 5);
    fd_close(&fd);
}

static void our_own_want_takes_nobody_down(void **state) {
    struct rlimit limit, none;
    struct addr addr;
    int fd = listening(&addr);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3; /* nothing new can be opened */
    (void)add(&addr, &config);
    uint64_t before = stats_get(STAT_checks);
    while (stats_get(STAT_checks) < before + 2)
        usleep(1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    fd_close(&fd); /* and it is down, but who can tell? */
    usec_t until = clock_now() + 10 * config.interval;
    while (clock_now() < until)
        usleep(1000);
    unsigned downs = told.downs;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(downs, 0);
    await_told(&told.downs, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rise_and_fall_are_exact),
        cmocka_unit_test(the_first_check_decides_alone),
        cmocka_unit_test(who_flaps_is_held_down_longer_and_longer),
        cmocka_unit_test(status_lines),
        cmocka_unit_test_setup_teardown(a_server_goes_and_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_hangs_delays_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_are_spread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_removed_is_released, set_up, tear_down),
        cmocka_unit_test_setup_teardown(our_own_want_takes_nobody_down, set_up, tear_down),
    };

    lock_init(&told.lock, RANK_LEAF);
    cond_init(&told.changed);
    thread_init_process();
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
