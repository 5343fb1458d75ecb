/* base/log: who speaks never waits for who reads, and what was dropped is said. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"

#define MANY 20000

/* Stderr is this pipe while a test runs. */
static int reader = -1, saved = -1;

static int set_up(void **state) {
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    reader = ends[0];
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(reader);
    return 0;
}

struct tally {
    unsigned lines, numbered, dropped;
};

/* Reads lines until "last" has come. */
static void read_lines(void *arg) {
    struct tally *tally = arg;
    FILE *file = fdopen(dup(reader), "r");
    char line[2048];
    unsigned number;

    while (fgets(line, sizeof(line), file) != NULL) {
        char *said = strstr(line, "number ");

        if (strstr(line, " last") != NULL)
            break;
        tally->lines++;
        tally->numbered += said != NULL;
        if (strstr(line, "were not logged") != NULL) {
            assert_int_equal(sscanf(strchr(line, 'Z') + 1, " warning %u", &number), 1);
            tally->dropped += number;
        }
    }
    fclose(file);
}

static void a_stuck_reader_stops_nobody_and_the_loss_is_said(void **state) {
    struct tally tally = {0};
    struct thread thread = {0};

    (void)state;
    assert_int_equal(log_start(), 0);
    uint64_t dropped = stats_get(STAT_log_dropped);
    usec_t began = clock_now();
    for (unsigned i = 0; i < MANY; i++) /* nobody reads: more than the pipe and the ring can hold */
        log_msg(MSG_READY, "number %u", i);
    assert_true(clock_now() - began < 5 * USEC_PER_SEC);
    dropped = stats_get(STAT_log_dropped) - dropped;
    assert_in_range(dropped, 1, MANY - LOG_QUEUE_SIZE);

    assert_int_equal(thread_start(&thread, "reader", NULL, read_lines, &tally), 0);
    log_stop(); /* writes what waits */
    log_msg(MSG_READY, "last");
    thread_join(&thread);
    assert_int_equal(tally.numbered + dropped, MANY);
    assert_int_equal(tally.dropped, dropped);
}

static void a_stuck_reader_does_not_stop_the_stop(void **state) {
    (void)state;
    assert_int_equal(log_start(), 0);
    for (unsigned i = 0; i < MANY; i++)
        log_msg(MSG_READY, "number %u", i);
    usec_t began = clock_now();
    log_stop();
    assert_in_range(clock_now() - began, 0, 5 * USEC_PER_SEC);
}

/* Reads a little at a time, with pauses that together are longer than the patience with a reader that is stuck. */
static void read_slowly(void *arg) {
    static char chunk[4096];
    const struct timespec pause = {.tv_nsec = 250000000};
    unsigned *lines = arg;

    for (;;) {
        ssize_t n = read(reader, chunk, sizeof(chunk));

        if (n <= 0)
            return;
        for (ssize_t i = 0; i < n; i++)
            *lines += chunk[i] == '\n';
        (void)nanosleep(&pause, NULL);
    }
}

static void a_slow_reader_is_waited_for(void **state) {
    struct thread thread = {0};
    unsigned lines = 0, i = 0;
    char text[256];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(log_start(), 0);
    for (; i < 128; i++)
        log_msg(MSG_READY, "%s", text);
    assert_int_equal(thread_start(&thread, "reader", NULL, read_slowly, &lines), 0);
    usec_t began = clock_now();
    log_stop();
    assert_true(clock_now() - began > USEC_PER_SEC);
    assert_true(dup2(saved, STDERR_FILENO) >= 0); /* the end for the reader */
    thread_join(&thread);
    assert_int_equal(lines, i);
}

static void less_urgent_messages_are_not_taken(void **state) {
    struct tally tally = {0};

    (void)state;
    log_set_level(LOG_LEVEL_WARNING);
    log_msg(MSG_READY, "number 1"); /* a notice */
    log_msg(MSG_TROUBLE, "number 2");
    log_msg(MSG_TROUBLE, "last");
    read_lines(&tally);
    assert_int_equal(tally.lines, 1);
}

static void format_fields(struct log_line *line, const void *payload) {
    log_line_text(line, "number %d", *(const int *)payload);
    log_line_field(line, "RELAYD_A", "%s", "x");
    log_line_field(line, "RELAYD_B", "%d", 7);
}

static void fields_follow_the_sentence(void **state) {
    char line[512] = "";
    int payload = 5;

    (void)state;
    log_event(MSG_READY, format_fields, &payload, sizeof(payload));
    ssize_t n = read(reader, line, sizeof(line) - 1);
    assert_true(n > 0);
    assert_non_null(strstr(line, "Z notice number 5  RELAYD_A=x RELAYD_B=7\n"));
}

static void format_number(struct log_line *line, const void *payload) {
    log_line_text(line, "number %u", *(const unsigned *)payload);
}

static void format_more(struct log_line *line, const void *last, unsigned long count) {
    log_line_text(line, "%lu more, up to %u", count, *(const unsigned *)last);
}

/* Says 150 of one group and one of another between two that belong to none. */
static void a_flood_is_summed_up(void **state) {
    static const struct log_group groups[] = {{0, MSG_READY, format_more},
                                              {1, MSG_READY, format_more}};
    unsigned i, found = 0;
    char line[2048];

    (void)state;
    assert_int_equal(log_start(), 0);
    for (i = 1; i <= LOG_GROUP_EACH_SECOND + 50; i++)
        log_event_grouped(MSG_READY, format_number, &i, sizeof(i), &groups[0]);
    log_event_grouped(MSG_READY, format_number, &i, sizeof(i), &groups[1]);
    log_msg(MSG_READY, "no group");
    log_stop(); /* does not wait for the second's end */
    log_msg(MSG_READY, "last");
    FILE *file = fdopen(dup(reader), "r");
    while (fgets(line, sizeof(line), file) != NULL && strstr(line, " last") == NULL) {
        found += strstr(line, "number ") != NULL;
        found += strstr(line, "notice 50 more, up to 150\n") != NULL ? 1000 : 0;
        found += strstr(line, "no group") != NULL ? 10000 : 0;
    }
    fclose(file);
    assert_int_equal(found, LOG_GROUP_EACH_SECOND + 1 + 1000 + 10000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_follow_the_sentence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_is_summed_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(less_urgent_messages_are_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_reader_stops_nobody_and_the_loss_is_said, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slow_reader_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_reader_does_not_stop_the_stop, set_up, tear_down),
    };

    thread_init_process();
    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
