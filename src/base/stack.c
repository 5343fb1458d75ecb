#include "base/stack.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sanitized.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* linux/mman.h, since 6.13 */
#endif

/* The least stack that this build's code and instrumentation can run on, in bytes. */
#define STACK_MIN (SANITIZED ? (size_t)2048 * 1024 : (size_t)32 * 1024)

/* pthread_attr_setstack(3) takes nothing smaller: on arm64, 128 KiB. */
static size_t least_size(void) {
    long least = sysconf(_SC_THREAD_STACK_MIN);

    return least > (long)STACK_MIN ? (size_t)least : STACK_MIN;
}

static size_t whole_pages(size_t size, size_t page) {
    return (size + page - 1) / page * page;
}

int stack_make(struct stack *ret_stack, size_t size, size_t extra) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t least = least_size();
    struct stack stack = {.size = whole_pages(size < least ? least : size, page)};

    stack.map_size = page + stack.size + whole_pages(extra, page);
    stack.map = mmap(NULL, stack.map_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack.map == MAP_FAILED)
        return -ENOMEM;
    /* Many of them side by side are no place for a huge page; MAP_STACK says so only since Linux
     * 6.7. */
    (void)madvise(stack.map, stack.map_size, MADV_NOHUGEPAGE);
    if (madvise(stack.map, page, MADV_GUARD_INSTALL) < 0 &&
        mprotect(stack.map, page, PROT_NONE) < 0) {
        munmap(stack.map, stack.map_size);
        return -ENOMEM;
    }
    stack.base = stack.map + page;
    stack.extra = stack.base + stack.size;
    *ret_stack = stack;
    return 0;
}

void stack_free(struct stack *stack) {
    if (stack->map != NULL)
        CHECK(munmap(stack->map, stack->map_size) == 0);
    *stack = (struct stack){0};
}

size_t stack_mappings(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool light = probe != MAP_FAILED && madvise(probe, page, MADV_GUARD_INSTALL) == 0;

    if (probe != MAP_FAILED)
        munmap(probe, page);
    return light ? 1 : 2; /* light: at most one, if every second one of a row has been freed */
}
