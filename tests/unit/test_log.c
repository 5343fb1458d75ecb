/* base/log: who speaks never waits for who reads, and what was dropped is said. */
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stats.h"
#include "base/thread.h"

#define MANY        20000
#define EACH_SECOND 100

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

/* Reads a little at a time, with pauses that together are longer than the patience with a reader
 * that is stuck. */
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
    log_line_field(line, "RELAYD_A", "x");
    log_line_field(line, "RELAYD_NONE", "");
    log_line_number(line, "RELAYD_B", 7);
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

static void a_message_with_fields_names_those_with_a_value(void **state) {
    const struct log_field fields[] = {{"RELAYD_UPSTREAM", "app"},
                                       {"RELAYD_SERVER", ""},
                                       {"RELAYD_SERVER_ADDRESS", NULL},
                                       {"RELAYD_STATE", "up"},
                                       {NULL, NULL}};
    char line[2048] = "";

    (void)state;
    log_msg_with(MSG_READY, fields, "number %d", 5);
    assert_true(read(reader, line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "Z notice number 5  RELAYD_UPSTREAM=app RELAYD_STATE=up\n"));
}

/* The sentence goes before fields, which are whole or left out. */
static void a_long_sentence_leaves_room_for_what_fits(void **state) {
    char text[2 * LOG_TEXT_MAX], value[LOG_PAYLOAD_MAX - LOG_TEXT_MAX], line[4 * LOG_TEXT_MAX] = "";
    const struct log_field fields[] = {
        {"RELAYD_SERVER", value}, {"RELAYD_UPSTREAM", "app"}, {NULL, NULL}};

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    memset(value, 'y', sizeof(value) - 1);
    text[sizeof(text) - 1] = value[sizeof(value) - 1] = '\0';
    log_msg_with(MSG_READY, fields, "%s", text);
    assert_true(read(reader, line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "x  RELAYD_UPSTREAM=app\n"));
    assert_null(strchr(line, 'y'));
}

static void format_awkward(struct log_line *line, const void *payload) {
    log_line_text(line, "says \"%s\"", (const char *)payload);
    log_line_field(line, "RELAYD_CLIENT", payload);
    log_line_number(line, "RELAYD_BYTES_UP", 7);
}

/* RFC 8259, 7: quotes and backslashes are escaped; what is no printable UTF-8 has become ASCII. */
static void json_is_json(void **state) {
    static const char awkward[] = "\\ \n\xff \xc3\xa9 7";
    char line[2048] = "";

    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    log_event(MSG_READY, format_awkward, awkward, sizeof(awkward));
    log_set_format(LOG_FORMAT_TEXT);
    assert_true(read(reader, line, sizeof(line) - 1) > 0);
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(
        strstr(line, "Z\",\"level\""),
        "Z\",\"level\":\"notice\",\"message\":\"says \\\"\\\\ \\\\x0a\\\\xff \xc3\xa9 7\\\"\","
        "\"message_id\":\"47eaa0992cb6416d86dc283cf0480ff9\","
        "\"client\":\"\\\\ \\\\x0a\\\\xff \xc3\xa9 7\",\"bytes_up\":7}\n");
}

static void format_all(struct log_line *line, const void *payload) {
    char value[64];

    memset(value, ' ', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_line_text(line, "%s", (const char *)payload);
    for (unsigned i = 0; i < 100; i++)
        log_line_field(line, "RELAYD_CLIENT", value);
}

/* Whatever is logged, a line is whole, in every format. */
static void the_longest_line_is_whole(void **state) {
    static char line[65536];
    char text[LOG_TEXT_MAX];

    (void)state;
    memset(text, '\\', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        log_set_format((enum log_format)format);
        log_event(MSG_READY, format_all, text, sizeof(text));
        log_set_format(LOG_FORMAT_TEXT);
        ssize_t n = read(reader, line, sizeof(line) - 1);
        assert_true(n > 2000);
        line[n] = '\0';
        if (format == LOG_FORMAT_JSON)
            assert_string_equal(line + n - 4, " \"}\n");
        else
            assert_string_equal(line + n - 5, "\\x20\n");
    }
}

static void format_number(struct log_line *line, const void *payload) {
    log_line_text(line, "number %u", *(const unsigned *)payload);
}

static void format_more(struct log_line *line, const void *last, unsigned long count) {
    log_line_text(line, "%lu more, up to %u", count, *(const unsigned *)last);
}

/* Says 150 of one group and one of another between two that belong to none. */
static void a_flood_is_summed_up(void **state) {
    static const struct log_group groups[] = {{0, EACH_SECOND, MSG_READY, format_more},
                                              {1, EACH_SECOND, MSG_READY, format_more}};
    unsigned i, found = 0;
    char line[2048];

    (void)state;
    assert_int_equal(log_start(), 0);
    for (i = 1; i <= EACH_SECOND + 50; i++)
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
    assert_int_equal(found, EACH_SECOND + 1 + 1000 + 10000);
}

static void format_long(struct log_line *line, const void *payload) {
    const char *bytes = payload;

    for (size_t i = sizeof(unsigned); i < LOG_PAYLOAD_MAX; i++)
        if (bytes[i] != bytes[sizeof(unsigned)])
            return;
    log_line_text(line, "number %u", *(const unsigned *)payload);
}

/* Around the ring more than once, between short ones. */
static void a_long_message_takes_two_places(void **state) {
    static char payload[LOG_PAYLOAD_MAX];
    struct thread thread = {0};
    struct tally tally = {0};

    (void)state;
    assert_int_equal(log_start(), 0);
    assert_int_equal(thread_start(&thread, "reader", NULL, read_lines, &tally), 0);
    uint64_t dropped = stats_get(STAT_log_dropped);
    for (unsigned number = 1; number <= MANY; number++) {
        memset(payload, (int)(number & 0x7f), sizeof(payload));
        memcpy(payload, &number, sizeof(number));
        if (number % 3 == 0)
            log_event(MSG_READY, format_number, &number, sizeof(number));
        else
            log_event(MSG_READY, format_long, payload, sizeof(payload));
    }
    log_stop();
    log_msg(MSG_READY, "last");
    thread_join(&thread);
    dropped = stats_get(STAT_log_dropped) - dropped;
    assert_int_equal(tally.numbered + dropped, MANY);
    assert_int_equal(tally.dropped, dropped);
}

/* Where a group has had its number for this second, the next need not even be said. */
static void what_is_passed_over_is_counted(void **state) {
    static const struct log_group group = {2, EACH_SECOND, MSG_READY, format_more};
    unsigned passed = 0, said = 0, told = 0, number;
    char line[2048];

    (void)state;
    assert_int_equal(log_start(), 0);
    while (passed < 1000) {
        if (log_passes_over(MSG_READY, &group))
            passed++;
        else if (said <= EACH_SECOND || passed > 0) { /* (or the log thread has still to see it) */
            said++;
            log_event_grouped(MSG_READY, format_number, &said, sizeof(said), &group);
        } else {
            sched_yield();
        }
    }
    log_stop();
    log_msg(MSG_READY, "last");
    FILE *file = fdopen(dup(reader), "r");
    while (fgets(line, sizeof(line), file) != NULL && strstr(line, " last") == NULL) {
        told += strstr(line, "number ") != NULL;
        if (strstr(line, " more, ") != NULL) {
            assert_int_equal(sscanf(strchr(line, 'Z') + 1, " notice %u", &number), 1);
            told += number;
        }
    }
    fclose(file);
    assert_int_equal(told, said + passed);
}

/* What is in the file that stderr is, from its start; returns its size. */
static size_t read_file(int file, char *text, size_t size) {
    ssize_t n = pread(file, text, size - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}

/* A file that can have so many bytes: more end with EFBIG, as they would with ENOSPC on a full
 * disk. */
static void allow_size(rlim_t most) {
    struct rlimit limit = {most, RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The line that was cut off is completed, and what was lost is counted before the next line, or
 * without one. */
static void a_full_disk_tears_no_line_and_the_loss_is_said(void **state) {
    int file = memfd_create("log", MFD_CLOEXEC);
    char text[4096];
    uint64_t dropped = stats_get(STAT_log_dropped);

    (void)state;
    assert_true(file >= 0 && dup2(file, STDERR_FILENO) >= 0);
    allow_size(100);
    assert_int_equal(log_start(), 0);
    log_msg(MSG_READY, "number 1");
    log_msg(MSG_READY, "number 2 is longer than what is left of the file"); /* fits in part */
    log_msg(MSG_READY, "number 3");
    log_msg(MSG_READY, "number 4");
    while (stats_get(STAT_log_dropped) < dropped + 2)
        sched_yield();
    assert_int_equal(read_file(file, text, sizeof(text)), 100);
    allow_size(RLIM_INFINITY);
    while (read_file(file, text, sizeof(text)), strstr(text, "were not logged") == NULL)
        sched_yield(); /* it is told although nothing more is said */
    log_msg(MSG_READY, "number 5");
    log_stop();
    read_file(file, text, sizeof(text));
    const char *second = strstr(text, "number 2 is longer than what is left of the file\n");
    const char *told = strstr(text, " warning 2 messages were not logged: File too large.");
    const char *last = strstr(text, "number 5\n");
    assert_true(second != NULL && told > second && last > told);
    assert_null(strstr(text, "number 3"));
    assert_int_equal(stats_get(STAT_log_dropped), dropped + 2);
    close(file);
}

/* Another program has made the pipe non-blocking: its reader is waited for all the same. */
static void a_pipe_that_does_not_block_is_waited_for(void **state) {
    struct tally tally = {0};
    struct thread thread = {0};
    const unsigned many = 2000;

    (void)state;
    assert_true(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(log_start(), 0);
    for (unsigned i = 0; i < many; i++)
        log_msg(MSG_READY, "number %u", i);
    assert_int_equal(thread_start(&thread, "reader", NULL, read_lines, &tally), 0);
    log_stop();
    log_msg(MSG_READY, "last");
    thread_join(&thread);
    assert_int_equal(tally.numbered, many);
    assert_int_equal(tally.dropped, 0);
}

static void format_foreign(struct log_line *line, const void *payload) {
    log_line_text(line, "from %s", (const char *)payload);
    log_line_field(line, "RELAYD_A", payload);
}

static void nobody_forges_a_line_or_a_field(void **state) {
    static const char foreign[] =
        "x\n2026-01-01T00:00:00.000000Z error forged \033[31mRELAYD_END=SE";
    char text[1024] = "";

    (void)state;
    log_event(MSG_READY, format_foreign, foreign, sizeof(foreign));
    assert_true(read(reader, text, sizeof(text) - 1) > 0);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_null(strchr(text, '\033'));
    assert_non_null(
        strstr(text, "  RELAYD_A=x\\x0a2026-01-01T00:00:00.000000Z\\x20error\\x20forged"));
    assert_null(strstr(strstr(text, "  RELAYD_A"), " RELAYD_END"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fields_follow_the_sentence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_with_fields_names_those_with_a_value, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_long_sentence_leaves_room_for_what_fits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(json_is_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_line_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_message_takes_two_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_passed_over_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_is_summed_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(less_urgent_messages_are_not_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_tears_no_line_and_the_loss_is_said, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_pipe_that_does_not_block_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nobody_forges_a_line_or_a_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_reader_stops_nobody_and_the_loss_is_said, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slow_reader_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stuck_reader_does_not_stop_the_stop, set_up, tear_down),
    };

    thread_init_process();
    (void)signal(SIGXFSZ, SIG_IGN);
    alarm(30); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
