/* base/stack: threads run on them, the guard bites, and many of them need few mappings where the
 * kernel can do that. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stack.h"
#include "base/thread.h"

static void use(void *arg) {
    char frame[4096];

    memset(frame, 1, sizeof(frame));
    memset(arg, frame[77], 100);
}

static void a_thread_runs_on_it_beside_its_extra_room(void **state) {
    struct stack stack = {0};
    struct thread thread;

    (void)state;
    assert_int_equal(stack_make(&stack, 1, 100), 0);
    assert_true(stack.size >= 16384);
    assert_int_equal(thread_start(&thread, "user", &stack, use, stack.extra), 0);
    thread_join(&thread);
    for (int i = 0; i < 100; i++)
        assert_int_equal(stack.extra[i], 1);
    stack_free(&stack);
    assert_null(stack.map);
    stack_free(&stack);
}

static void below_it_is_a_guard(void **state) {
    struct stack stack = {0};
    int status;

    (void)state;
    assert_int_equal(stack_make(&stack, 1, 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it */
        *(volatile char *)(stack.base) = 1;
        *(volatile char *)(stack.base - 1) = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    stack_free(&stack);
}

static size_t mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t n = 0;

    assert_non_null(maps);
    for (int c; (c = fgetc(maps)) != EOF;)
        n += c == '\n';
    fclose(maps);
    return n;
}

static void many_need_as_many_mappings_as_told(void **state) {
    enum { MANY = 200 };
    static struct stack stacks[MANY];
    size_t before, most;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it maps memory of its own beside each mapping */
#endif
    assert_int_equal(stack_make(&stacks[0], 1, 16384), 0);
    before = mappings();
    for (size_t i = 1; i < MANY; i++)
        assert_int_equal(stack_make(&stacks[i], 1, 16384), 0);
    most = stack_mappings() == 1 ? 10 : MANY * stack_mappings() + 10;
    assert_true(mappings() <= before + most);
    for (size_t i = 0; i < MANY; i += 2)
        stack_free(&stacks[i]);
    assert_true(mappings() <= before + MANY * stack_mappings() + 10);
    for (size_t i = 1; i < MANY; i += 2)
        stack_free(&stacks[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_runs_on_it_beside_its_extra_room),
        cmocka_unit_test(below_it_is_a_guard),
        cmocka_unit_test(many_need_as_many_mappings_as_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
