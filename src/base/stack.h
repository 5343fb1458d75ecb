/* Small stacks for many threads, of memory taken page by page as used, each with a guard page.
 *
 * Where the kernel can (Linux 6.13), the guard is a mark in the page tables (madvise(2),
 * MADV_GUARD_INSTALL): neighbouring stacks are one mapping, and vm.max_map_count does not bound
 * their number. Else it is a mapping of its own. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stddef.h>

#include "base/check.h"

struct stack {
    char *map;   /* guard, stack, extra; NULL: none */
    char *base;  /* the stack's lowest address */
    size_t size; /* of the stack */
    /* above it: the thread's own room, which takes no memory before its first use */
    char *extra;
    size_t map_size;
};

/* Makes one of at least this size (more if the build's instrumentation needs it), with extra room.
 * 0 or -ENOMEM. Any thread. */
int stack_make(struct stack *ret_stack, size_t size, size_t extra) MUST_USE;

/* Gives the memory back, if there is any; the thread has been joined. */
void stack_free(struct stack *stack);

/* How many mappings one may add to the process. */
size_t stack_mappings(void);

#endif
