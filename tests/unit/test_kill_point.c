/* base/kill_point: a process dies where it was told to, the time it was told to, and nowhere else.
 * (In every build: what a build without kill points lacks are the calls.) */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kill_point.h"

enum { ARMED_WRONGLY = 3, ALIVE = 4 };

/* How a process ends that passes these points, in this order. */
static int end_of(const char *at, const char *sends, void (*pass)(void)) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        at == NULL ? unsetenv("RELAYD_KILL_AT") : setenv("RELAYD_KILL_AT", at, 1);
        sends == NULL ? unsetenv("RELAYD_SHORT_SENDS") : setenv("RELAYD_SHORT_SENDS", sends, 1);
        if (freopen("/dev/null", "w", stderr) == NULL || !kill_point_arm())
            _exit(ARMED_WRONGLY);
        pass();
        _exit(ALIVE);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void pass_some(void) {
    for (int i = 0; i < 3; i++) {
        kill_point_pass(KILL_PEEKED, 0);
        kill_point_pass(KILL_SENT, 1);
        kill_point_pass(KILL_SENT, 1);
    }
    kill_point_pass(KILL_HEAD_READ, 0);
}

static void pass_once(void) {
    kill_point_pass(KILL_HEAD_READ, 0);
}

static void test_dies_where_it_was_told(void **state) {
    static const struct {
        const char *at;
        bool dies;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"peeked-up:1", true},
        {"peeked-up:3", true},
        {"peeked-up:4", false},
        {"peeked-down:1", false},
        {"sent-down:6", true},
        {"sent-down:7", false},
        {"sent-part-down:1", false},
        {"head-read:1", true},
        {"head-read:2", false},
        {"finished:1,peeked-up:9,head-read:1", true},
        {"any:10", true},
        {"any:11", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(end_of(rows[i].at, NULL, pass_some), rows[i].dies ? -SIGKILL : ALIVE);
    assert_int_equal(end_of("any:1", NULL, pass_once), -SIGKILL);
    assert_int_equal(end_of("peeked-up:1", NULL, pass_once), ALIVE);
}

static void test_what_is_no_point_is_refused(void **state) {
    static const char *const wrong[] = {"peeked:1",
                                        "peeked-up",
                                        "peeked-up:",
                                        "peeked-up:0",
                                        "peeked-up:-1",
                                        "peeked-up:1x",
                                        "peek-up:1",
                                        "peeked-upper:1",
                                        "head-read-up:1",
                                        "head-read:1,,",
                                        "nothing:1",
                                        ":1",
                                        "1",
                                        "head-read:1;any:1",
                                        "ANY:1",
                                        "head-read: 1",
                                        "peeked-up 1",
                                        "any",
                                        "anything:1",
                                        "head-read:99999999999999999999"};
    static const char *const no_sizes[] = {"", "0", "-1", "x", "1x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (end_of(wrong[i], NULL, pass_some) != ARMED_WRONGLY)
            fail_msg("%s was taken", wrong[i]);
    for (size_t i = 0; i < ARRAY_LEN(no_sizes); i++)
        assert_int_equal(end_of(NULL, no_sizes[i], pass_some), ARMED_WRONGLY);
}

static void shorten(void) {
    if (kill_point_shorten(0) != 0 || kill_point_shorten(7) != 7 || kill_point_shorten(8) != 7 ||
        kill_point_shorten(1 << 20) != 7)
        abort();
}

static void shorten_nothing(void) {
    if (kill_point_shorten(1 << 20) != 1 << 20)
        abort();
}

static void test_sends_are_short(void **state) {
    (void)state;
    assert_int_equal(end_of(NULL, "7", shorten), ALIVE);
    assert_int_equal(end_of(NULL, NULL, shorten_nothing), ALIVE);
}

/* What the macros are, in a build of either kind. */
static void test_macros(void **state) {
    (void)state;
    for (unsigned dir = 0; dir < 2; dir++)
        KILL_POINT_DIR(PEEKED, dir); /* not armed */
    KILL_POINT(HEAD_READ);
    assert_int_equal(SHORT_SEND(1000), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dies_where_it_was_told),
        cmocka_unit_test(test_what_is_no_point_is_refused),
        cmocka_unit_test(test_sends_are_short),
        cmocka_unit_test(test_macros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
