/* Small stacks for many threads, taken page by page as used, each with a guard page.
 *
 * Where the kernel can (Linux 6.13), the guard is a mark in the page tables (madvise(2),
 * MADV_GUARD_INSTALL): neighbouring stacks are one mapping, and vm.max_map_count does not bound
 * their number. Else a mapping of its own. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stddef.h>

#include "base/check.h"

struct stack {
    char *map;   /* guard, stack, extra; NULL: none */
    char *base;  /* lowest address */
    size_t size; /* of the stack */
    /* above it: the thread's own room; no memory before first use */
    char *extra;
    size_t map_size;
};

/* At least this size (more if the build's instrumentation needs it). 0 or -ENOMEM. Any thread. */
int stack_make(struct stack *ret_stack, size_t size, size_t extra) MUST_USE;

/* If there is any; the thread has been joined. */
void stack_free(struct stack *stack);

/* How many one may add to the process. */
size_t stack_mappings(void);

#endif
