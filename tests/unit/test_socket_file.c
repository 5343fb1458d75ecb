/* base/socket_file: who may connect to a unix socket is set on its own file, and on no other. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/socket_file.h"
#include "base/thread.h"

#define OWN SOCKET_FILE_OWN

static char directory[] = "/tmp/relayd-test-XXXXXX";
static char path[64], other[64], stolen[64];

static struct addr address(void) {
    struct addr addr = {.len = sizeof(addr.u.un), .u.un.sun_family = AF_UNIX};

    strcpy(addr.u.un.sun_path, path);
    return addr;
}

/* A group that a file can be given to: any for root, else one of this user's. */
static uint32_t some_group(void) {
    gid_t groups[64];
    int n = getgroups(64, groups);

    if (geteuid() == 0)
        return 12345;
    return n > 0 ? groups[n - 1] : getegid();
}

static int bind_to(const struct socket_access *access, struct socket_file *file) {
    const struct addr addr = address();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    int r = socket_file_bind(fd, &addr, access, file);
    fd_close(&fd);
    return r;
}

static void is_so(const char *where, uint32_t mode, uint32_t uid, uint32_t gid) {
    struct stat st;

    assert_int_equal(lstat(where, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_uid, uid);
    assert_int_equal(st.st_gid, gid);
}

static void a_file_is_made_as_it_is_asked_for(void **state) {
    static const uint32_t modes[] = {0666, 0660, 0600, 0770, 0, 0777};
    struct socket_file file;
    mode_t mask = umask(0077);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(bind_to(&(struct socket_access){modes[i], OWN, OWN}, &file), 0);
        is_so(path, modes[i], geteuid(), getegid());
        assert_true(socket_file_is_at(path, &file));
        unlink(path);
        assert_false(socket_file_is_at(path, &file));
        assert_int_equal(bind_to(&(struct socket_access){modes[i], OWN, some_group()}, &file), 0);
        is_so(path, modes[i], geteuid(), some_group());
        unlink(path);
    }
    assert_int_equal(umask(mask), 0077); /* it is as it was */
}

static void what_may_not_be_leaves_nothing(void **state) {
    struct socket_file file;

    (void)state;
    if (geteuid() == 0)
        skip(); /* root may */
    assert_int_equal(bind_to(&(struct socket_access){0666, 0, OWN}, &file), -EPERM);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(bind_to(&(struct socket_access){0666, OWN, 0}, &file), -EPERM);
    assert_int_equal(access(path, F_OK), -1);
}

static void it_is_changed_and_changed_back(void **state) {
    const struct socket_access plain = {0666, OWN, OWN}, given = {0660, OWN, some_group()};
    struct socket_file file;

    (void)state;
    assert_int_equal(bind_to(&plain, &file), 0);
    assert_int_equal(socket_file_change(path, &file, &plain, &given), 0);
    is_so(path, 0660, geteuid(), some_group());
    assert_int_equal(socket_file_change(path, &file, &given, &plain), 0);
    is_so(path, 0666, geteuid(), getegid());
    /* What another has done to it stays, where nothing was asked for. */
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 4711, 4712), 0);
        assert_int_equal(
            socket_file_change(path, &file, &plain, &(struct socket_access){0600, OWN, OWN}), 0);
        is_so(path, 0600, 4711, 4712);
    }
    unlink(path);
}

static void another_file_is_left_alone(void **state) {
    const struct socket_access plain = {0666, OWN, OWN}, given = {0600, OWN, some_group()};
    struct socket_file file;

    (void)state;
    assert_int_equal(bind_to(&plain, &file), 0);
    assert_int_equal(rename(path, stolen), 0);
    assert_int_equal(socket_file_change(path, &file, &plain, &given), -ENOENT);
    assert_int_equal(close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0640)), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(socket_file_change(path, &file, &plain, &given), -ESTALE);
    unlink(path);
    assert_int_equal(symlink(stolen, path), 0); /* even to the very one */
    assert_int_equal(socket_file_change(path, &file, &plain, &given), -ESTALE);
    unlink(path);
    assert_int_equal(link(other, path), 0);
    assert_int_equal(socket_file_change(path, &file, &plain, &given), -ESTALE);
    is_so(other, 0640, geteuid(), getegid());
    is_so(stolen, 0666, geteuid(), getegid());
    unlink(path);
    unlink(other);
    unlink(stolen);
}

static atomic_bool over;

/* Puts a link to another file at the path, again and again, for whatever stands there. */
static void swap(void *arg) {
    char spare[80];

    (void)arg;
    snprintf(spare, sizeof(spare), "%s.spare", other);
    while (!atomic_load(&over)) {
        if (symlink(other, spare) == 0 && access(path, F_OK) == 0)
            (void)rename(spare, path);
        unlink(spare);
    }
    unlink(spare);
}

static void whoever_swaps_the_file_gains_nothing(void **state) {
    const struct socket_access given = {0660, OWN, some_group()};
    usec_t until = clock_now() + 300 * USEC_PER_MSEC;
    struct thread attacker = {0};
    struct socket_file file;
    unsigned done = 0, found = 0;

    (void)state;
    assert_int_equal(close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    atomic_store(&over, false);
    assert_int_equal(thread_start(&attacker, "attacker", NULL, swap, NULL), 0);
    while (clock_now() < until) {
        int r = bind_to(&given, &file);

        done += r == 0;
        found += r == -ESTALE;
        assert_true(r == 0 || r == -ESTALE || r == -EADDRINUSE || r == -ENOENT);
        if (r == 0) {
            r = socket_file_change(path, &file, &given, &(struct socket_access){0666, OWN, OWN});
            assert_true(r == 0 || r == -ESTALE || r == -ENOENT);
        }
        unlink(path);
    }
    atomic_store(&over, true);
    thread_join(&attacker);
    print_message("%u files were made, %u swaps were found out\n", done, found);
    is_so(other, 0600, geteuid(), getegid());
    unlink(path);
    unlink(other);
}

static int set_up(void **state) {
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/s", directory);
    snprintf(other, sizeof(other), "%s/other", directory);
    snprintf(stolen, sizeof(stolen), "%s/stolen", directory);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return rmdir(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_as_it_is_asked_for),
        cmocka_unit_test(what_may_not_be_leaves_nothing),
        cmocka_unit_test(it_is_changed_and_changed_back),
        cmocka_unit_test(another_file_is_left_alone),
        cmocka_unit_test(whoever_swaps_the_file_gains_nothing),
    };

    return cmocka_run_group_tests_name("socket_file", tests, set_up, tear_down);
}
