/* handover/crash: what a process was at when it crashed is found by the next one; who was killed by
 * another has done nothing. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"
#include "conn/conn.h"
#include "conn/reaper.h"
#include "handover/crash.h"

enum how { BY_FAULT, BY_ABORT, BY_RAISE, BY_REVIEW, BY_KILL, BY_ANOTHER_SEGV, BY_ANOTHER_ABRT };

#define SLOT 2

static void work(void *arg) {
    enum how how = *(enum how *)arg;
    /* (Not a null pointer, which the sanitizer of undefined behaviour would find before the
     * processor does.) */
    volatile int *nowhere = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    crash_at(SLOT);
    if (how == BY_FAULT)
        *nowhere = 1;
    else if (how == BY_ABORT)
        abort();
    else if (how == BY_RAISE)
        (void)raise(SIGBUS);
    for (;;)
        pause();
}

/* The reaper finds a conn that is due, and that points to nowhere. */
static void review_and_die(struct table *table) UNCHECKED {
    static struct registry registry;
    static struct pump_pool pumps;
    static struct leg_pool legs;
    static struct reaper reaper;
    static struct gate gate; /* which it never leaves */
    static struct link link;
    struct holdings has = HOLDINGS_NONE;
    int client[2], server[2];

    link.table = table;
    registry_init(&registry);
    pump_pool_init(&pumps);
    leg_pool_init(&legs);
    table->states[SLOT].options.idle_timeout = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, server), 0);
    has.client = client[0];
    has.server = server[0];
    struct conn *conn = conn_new_adopted(&link, SLOT, &registry, &gate, NULL, &has);
    conn_register(conn);
    conn->registry = mmap(NULL, sizeof(registry), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(reaper_start(&reaper, &registry, &pumps, &legs), 0);
}

/* A process that works for SLOT in one of its threads and ends in this way. */
static int live_and_die(struct table *table, enum how how) {
    static const int numbers[] = {0, 0, 0, 0, SIGKILL, SIGSEGV, SIGABRT};
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        const struct rlimit none = {0, 0};
        struct thread thread;

        (void)setrlimit(RLIMIT_CORE, &none);
        for (int number = 1; number < SIGRTMIN; number++)
            (void)signal(number, SIG_DFL); /* the test's own are not relayd's */
        crash_watch(table);
        if (how == BY_REVIEW)
            review_and_die(table);
        else if (thread_start(&thread, "works", NULL, work, &how) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    if (numbers[how] != 0) {
        usleep(100000); /* it need not have begun: then nothing is noted, either */
        assert_int_equal(kill(child, numbers[how]), 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return WTERMSIG(status);
}

static void who_crashes_is_noted(void **state) {
    static const int ends[] = {SIGSEGV, SIGABRT, SIGBUS, SIGSEGV};
    struct table *table;

    (void)state;
    assert_int_equal(table_new(5, &table), 0);
    for (int how = BY_FAULT; how <= BY_REVIEW; how++) {
        usec_t before = clock_now();

        assert_true(crash_is_often(table->states[SLOT].crashes, before) == (how == BY_REVIEW));
        assert_int_equal(live_and_die(table, (enum how)how), ends[how]);
        assert_in_range(table->states[SLOT].crashes[0], before, clock_now());
        assert_in_range(table->head->crashes[0], before, clock_now());
    }
    assert_true(crash_is_often(table->states[SLOT].crashes, clock_now()));
    assert_true(crash_is_often(table->head->crashes, clock_now()));
    assert_int_equal(table->states[SLOT + 1].crashes[0], 0);
    table_free(table);
}

static void who_is_killed_is_not(void **state) {
    static const int ends[] = {SIGKILL, SIGSEGV, SIGABRT};
    struct table *table;

    (void)state;
    assert_int_equal(table_new(5, &table), 0);
    for (int how = BY_KILL; how <= BY_ANOTHER_ABRT; how++) {
        assert_int_equal(live_and_die(table, (enum how)how), ends[how - BY_KILL]);
        assert_int_equal(table->states[SLOT].crashes[0], 0);
        assert_int_equal(table->head->crashes[0], 0);
    }
    table_free(table);
}

static void three_within_a_minute_are_often(void **state) {
    const usec_t now = clock_now(), second = USEC_PER_SEC;
    usec_t crashes[CONN_CRASHES] = {0};

    (void)state;
    crash_note(crashes, now - 59 * second);
    assert_false(crash_is_often(crashes, now));
    crash_note(crashes, now - 30 * second);
    assert_false(crash_is_often(crashes, now));
    crash_note(crashes, now);
    assert_true(crash_is_often(crashes, now));
    assert_false(crash_is_often(crashes, now + 2 * second));
    crash_note(crashes, now + 2 * second);
    assert_true(crash_is_often(crashes, now + 2 * second));
    assert_false(crash_is_often(crashes, now)); /* one lies in the future: it is nonsense */
    for (int i = 0; i < CONN_CRASHES; i++) {
        usec_t nonsense[CONN_CRASHES] = {now, now, now};

        nonsense[i] = INT64_MIN;
        assert_false(crash_is_often(nonsense, now));
        nonsense[i] = INT64_MAX;
        assert_false(crash_is_often(nonsense, now));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_crashes_is_noted),
        cmocka_unit_test(who_is_killed_is_not),
        cmocka_unit_test(three_within_a_minute_are_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
