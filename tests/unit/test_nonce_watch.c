/* base/nonce_watch: a nonce that seals two plaintexts is found, in one process or over many; one
 * that only a process that was killed has sealed, and nobody has sent, is not. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/nonce_watch.h"

#define SLOTS 64

enum { REFUSED = 3, FINE = 4 };

struct head {
    uint64_t magic;
    uint32_t slots, doubled, full, unused;
    uint64_t left, again;
};

static char path[] = "/tmp/relayd-nonces-XXXXXX";

static void make_file(uint64_t magic, uint32_t slots, off_t size) {
    struct head head = {.magic = magic, .slots = slots};
    int fd = open(path, O_RDWR | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, &head, sizeof(head)), sizeof(head));
    assert_int_equal(ftruncate(fd, size), 0);
    close(fd);
}

static struct head read_head(void) {
    struct head head;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, &head, sizeof(head)), sizeof(head));
    close(fd);
    return head;
}

/* How a process ends that has the file open and does this. */
static int end_of(void (*work)(void)) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL || !nonce_watch_open())
            _exit(REFUSED);
        work();
        _exit(FINE);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void nothing(void) {
}

static void seal(const char *key, uint8_t number, uint8_t content, const char *plain) {
    uint8_t nonce[12] = {[11] = number};

    nonce_watch_sealed(&(struct nonce_use){.key = key,
                                           .n_key = strlen(key),
                                           .nonce = nonce,
                                           .sequence = number,
                                           .content = content,
                                           .plain = plain,
                                           .n = strlen(plain)});
}

static void let_one_leave(void) {
    seal("key", 1, 23, "attack at dawn");
    nonce_watch_leave();
}

static void let_it_leave_otherwise(void) {
    seal("key", 1, 23, "attack at noon");
    nonce_watch_leave();
}

static void let_it_leave_longer(void) {
    seal("key", 1, 23, "attack at dawn.");
    nonce_watch_leave();
}

static void let_it_leave_as_alert(void) {
    seal("key", 1, 21, "attack at dawn");
    nonce_watch_leave();
}

static void seal_only(void) {
    seal("key", 1, 23, "attack never");
}

static void let_others_leave(void) {
    seal("key", 2, 23, "attack at noon");
    seal("key2", 1, 23, "attack at noon");
    seal("key", 3, 23, "");
    nonce_watch_leave();
    nonce_watch_leave();
}

static void seal_twice_before_it_leaves(void) {
    seal("key", 1, 23, "attack at noon");
    seal("key", 1, 23, "attack at dawn");
    nonce_watch_leave();
}

static void let_many_leave(void) {
    for (uint8_t i = 0; i < SLOTS + 5; i++)
        seal("many", i, 23, "x");
    nonce_watch_leave();
}

static void test_a_doubled_nonce_is_found(void **state) {
    static void (*const others[])(void) = {let_it_leave_otherwise, let_it_leave_longer,
                                           let_it_leave_as_alert};

    (void)state;
    make_file(NONCE_WATCH_MAGIC, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(let_one_leave), FINE);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(end_of(others[i]), -SIGABRT);
        assert_int_equal(read_head().doubled, i + 1);
    }
}

static void test_what_has_not_left_may_change(void **state) {
    (void)state;
    make_file(NONCE_WATCH_MAGIC, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(seal_only), FINE);
    assert_int_equal(read_head().left, 0);
    assert_int_equal(end_of(seal_twice_before_it_leaves), FINE);
    assert_int_equal(end_of(let_one_leave), FINE); /* the same once more */
    assert_int_equal(end_of(let_others_leave), FINE);
    struct head head = read_head();
    assert_int_equal(head.left, 5);
    assert_int_equal(head.again, 1);
    assert_int_equal(head.doubled, 0);
    assert_int_equal(head.full, 0);
}

static void test_a_full_file_is_told(void **state) {
    (void)state;
    make_file(NONCE_WATCH_MAGIC, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(let_many_leave), FINE);
    assert_int_equal(read_head().left, SLOTS + 5);
    assert_int_equal(read_head().full, 5);
    assert_int_equal(read_head().doubled, 0);
}

static void test_another_file_is_refused(void **state) {
    (void)state;
    make_file(NONCE_WATCH_MAGIC + 1, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(nothing), REFUSED);
    make_file(NONCE_WATCH_MAGIC, SLOTS - 1, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(nothing), REFUSED);
    make_file(NONCE_WATCH_MAGIC, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16 - 1);
    assert_int_equal(end_of(nothing), REFUSED);
    make_file(NONCE_WATCH_MAGIC, SLOTS, 8);
    assert_int_equal(end_of(nothing), REFUSED);
    make_file(NONCE_WATCH_MAGIC, SLOTS, NONCE_WATCH_HEAD + SLOTS * 16);
    assert_int_equal(end_of(nothing), FINE);
    (void)setenv("RELAYD_NONCES", "/nonexistent", 1);
    assert_int_equal(end_of(nothing), REFUSED);
    (void)unsetenv("RELAYD_NONCES"); /* nobody watches */
    assert_int_equal(end_of(let_one_leave), FINE);
    assert_int_equal(end_of(let_it_leave_otherwise), FINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_doubled_nonce_is_found),
        cmocka_unit_test(test_what_has_not_left_may_change),
        cmocka_unit_test(test_a_full_file_is_told),
        cmocka_unit_test(test_another_file_is_refused),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    (void)setenv("RELAYD_NONCES", path, 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
