/* daemon/cgroup: the least limit from a group upwards, of both versions. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cgroup.h"

#define MIB ((int64_t)1 << 20)

static char place[64], self[128], tree[128];
static const struct cgroup_paths paths = {.self = self, .tree = tree};

static int make_place(void **state) {
    (void)state;
    strcpy(place, "/tmp/test_cgroupXXXXXX");
    assert_non_null(mkdtemp(place));
    snprintf(self, sizeof(self), "%s/self", place);
    snprintf(tree, sizeof(tree), "%s/tree", place);
    assert_int_equal(mkdir(tree, 0700), 0);
    return 0;
}

static int remove_place(void **state) {
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", place);
    return system(command);
}

/* Its folders are made. */
static void write_file(const char *path, const char *text) {
    char copy[256];

    strcpy(copy, path);
    for (char *at = copy + strlen(place) + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = '\0';
        (void)mkdir(copy, 0700);
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void set(const char *path, const char *text) {
    char whole[256];

    snprintf(whole, sizeof(whole), "%s/%s", tree, path);
    write_file(whole, text);
}

static void version_2(void **state) {
    (void)state;
    write_file(self, "0::/system.slice/relayd.service\n");
    assert_int_equal(cgroup_limits(&paths).memory, CGROUP_UNLIMITED);
    set("system.slice/relayd.service/memory.max", "max\n");
    set("system.slice/relayd.service/memory.high", "536870912\n");
    assert_int_equal(cgroup_limits(&paths).memory, 512 * MIB);
    set("system.slice/memory.max", "268435456\n");
    assert_int_equal(cgroup_limits(&paths).memory, 256 * MIB);
    set("system.slice/relayd.service/pids.max", "70\n");
    set("system.slice/pids.max", "max\n");
    assert_int_equal(cgroup_limits(&paths).pids, 70);
}

static void version_1(void **state) {
    (void)state;
    write_file(self, "12:cpu,cpuacct:/a\n8:pids:/a/b\n4:memory:/a/b\n1:name=systemd:/a\n0::/a\n");
    set("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    set("cpu/a/memory.limit_in_bytes", "1\n");
    assert_int_equal(cgroup_limits(&paths).memory, CGROUP_UNLIMITED);
    set("memory/a/memory.limit_in_bytes", "1073741824\n");
    assert_int_equal(cgroup_limits(&paths).memory, 1024 * MIB);
    set("memory/a/memory.max", "1\n"); /* of the other version */
    set("pids/a/b/pids.max", "512\n");
    assert_int_equal(cgroup_limits(&paths).pids, 512);
}

/* Its group is the root of what it sees. */
static void within_a_container(void **state) {
    (void)state;
    write_file(self, "4:memory:/docker/0123456789abcdef\n");
    set("memory/memory.limit_in_bytes", "134217728\n");
    assert_int_equal(cgroup_limits(&paths).memory, 128 * MIB);
}

static void what_makes_no_sense(void **state) {
    (void)state;
    assert_int_equal(cgroup_limits(&paths).memory, CGROUP_UNLIMITED); /* no file */
    write_file(self, "\n:\n4:memory\nmemory:/a\n0:\n0::\n");
    set("memory.max", "many\n");
    set("memory.high", "-1\n");
    assert_int_equal(cgroup_limits(&paths).memory, CGROUP_UNLIMITED);
    set("memory.high", "4096");
    assert_int_equal(cgroup_limits(&paths).memory, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2, make_place, remove_place),
        cmocka_unit_test_setup_teardown(version_1, make_place, remove_place),
        cmocka_unit_test_setup_teardown(within_a_container, make_place, remove_place),
        cmocka_unit_test_setup_teardown(what_makes_no_sense, make_place, remove_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
