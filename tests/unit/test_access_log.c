/* record/access_log: what is given is written, or counted; nobody waits. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stats.h"
#include "base/thread.h"
#include "record/access_log.h"

#define PUMPS 4
#define EACH  (SANITIZED ? 1000 : 5000) /* the ring has room for all */

static char folder[] = "/tmp/relayd-access-XXXXXX", path[64], second[64];

static int make_folder(void **state) {
    (void)state;
    thread_init_process();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/a", folder);
    snprintf(second, sizeof(second), "%s/b", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    (void)unlink(path);
    (void)unlink(second);
    return rmdir(folder);
}

static struct access_file *open_file(const char *name) {
    int error;
    struct access_file *file = access_file_open(name, ACCESS_COMBINED, &error);

    assert_non_null(file);
    return file;
}

static struct request_record make_request(unsigned long number, size_t n_path) {
    struct request_record r = {.begun = 1, .method = "GET", .status = 200};
    int n = snprintf(r.texts + 1, 32, "/%lu/", number);

    memset(r.texts + 1 + n, 'x', n_path);
    r.n_path = (uint16_t)((size_t)n + n_path);
    return r;
}

static void add_request(unsigned long number, size_t n_path) {
    const struct request_record r = make_request(number, n_path);

    access_log_add(&r);
}

static size_t count_lines_of(const char *name) {
    FILE *file = fopen(name, "r");
    size_t n = 0;
    int c;

    assert_non_null(file);
    while ((c = getc(file)) != EOF)
        n += c == '\n';
    (void)fclose(file);
    return n;
}

static void add_many(void *arg) {
    (void)arg;
    for (unsigned long i = 0; i < EACH; i++)
        add_request(i, i % 100);
}

static void all_are_written_over_many_files(void **state) {
    static struct thread pumps[PUMPS];
    uint64_t before = stats_get(STAT_access_log_lost);

    (void)state;
    assert_false(access_log_is_on());
    access_log_use(NULL); /* nothing happens */
    assert_int_equal(access_log_begin(), 0);
    access_log_use(open_file(path));
    assert_true(access_log_is_on());
    for (size_t i = 0; i < PUMPS; i++)
        assert_int_equal(thread_start(&pumps[i], "pump", NULL, add_many, NULL), 0);
    for (size_t i = 0; i < 20; i++)
        access_log_use(open_file(i % 2 == 0 ? second : path));
    for (size_t i = 0; i < PUMPS; i++)
        thread_join(&pumps[i]);
    access_log_stop();
    assert_false(access_log_is_on());
    assert_int_equal(stats_get(STAT_access_log_lost) - before, 0);
    assert_int_equal(count_lines_of(path) + count_lines_of(second), (size_t)PUMPS * EACH);
}

/* Who gives is not kept waiting by a file that takes nothing, and the ring has an end. */
static void what_finds_no_room_is_counted(void **state) {
    uint64_t before = stats_get(STAT_access_log_lost);
    unsigned long given = 0, most = 2 * ACCESS_LOG_ROOM / 2000;

    (void)state;
    assert_int_equal(access_log_begin(), 0);
    access_log_use(open_file("/dev/full"));
    while (given < most && stats_get(STAT_access_log_lost) == before)
        add_request(given++, 2000);
    assert_in_range(given, ACCESS_LOG_ROOM / 4000, most - 1);
    access_log_stop();
    assert_int_equal(stats_get(STAT_access_log_lost) - before, given);
}

/* Requests of this size fill the ring to its last byte, so there is no room for a mark behind them:
 * it goes on at its beginning all the same, while the thread writes what came before. */
static void the_ring_may_be_full_to_its_last_byte(void **state) {
    const size_t size = 1024, entry = 16; /* of the ring's own for each */
    const struct request_record shortest = make_request(1, 0);
    size_t n_path = size - entry - request_record_size(&shortest);
    uint64_t before = stats_get(STAT_access_log_lost);
    unsigned long given = 2 * ACCESS_LOG_ROOM / size;

    (void)state;
    (void)unlink(path);
    assert_int_equal(ACCESS_LOG_ROOM % size, 0);
    assert_int_equal(access_log_begin(), 0);
    access_log_use(open_file(path));
    for (unsigned long i = 0; i < given; i++) {
        uint64_t lost = stats_get(STAT_access_log_lost);

        add_request(1, n_path);
        if (stats_get(STAT_access_log_lost) > lost)
            usleep(1000); /* so that there is room now and then, but never much */
    }
    access_log_stop();
    assert_int_equal(count_lines_of(path) + stats_get(STAT_access_log_lost) - before, given);
}

/* Turned off, it has written what was given before. */
static void off_is_after_the_last(void **state) {
    (void)state;
    (void)unlink(path);
    assert_int_equal(access_log_begin(), 0);
    for (size_t i = 1; i <= 3; i++) {
        access_log_use(open_file(path));
        for (unsigned long k = 0; k < 100; k++)
            add_request(k, 0);
        access_log_use(NULL);
        assert_int_equal(count_lines_of(path), 100 * i);
    }
    access_log_stop();
}

/* A file that is gone is made anew; a folder that is gone leaves the file of before. */
static void it_is_opened_anew(void **state) {
    (void)state;
    (void)unlink(path);
    assert_int_equal(access_log_begin(), 0);
    access_log_use(open_file(path));
    assert_int_equal(rename(path, second), 0);
    access_log_reopen();
    while (access(path, F_OK) < 0)
        add_request(0, 0);
    add_request(1, 0);
    access_log_stop();
    assert_in_range(count_lines_of(path), 1, SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_written_over_many_files),
        cmocka_unit_test(what_finds_no_room_is_counted),
        cmocka_unit_test(the_ring_may_be_full_to_its_last_byte),
        cmocka_unit_test(off_is_after_the_last),
        cmocka_unit_test(it_is_opened_anew),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
