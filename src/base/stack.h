/* Stacks for threads of which there are many: small, of memory that is taken page by page as it is
 * used, with a guard page each that a runaway thread dies on.
 *
 * The guard is a mark in the page tables where the kernel has that (madvise(2), MADV_GUARD_INSTALL,
 * Linux 6.13): then stacks that lie side by side are one mapping together, and vm.max_map_count
 * does not bound their number. On older kernels the guard is a mapping of its own. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

#include <stddef.h>

#include "base/check.h"

struct stack {
    char *map;   /* guard, stack, extra; NULL: none */
    char *base;  /* the stack's lowest address */
    size_t size; /* of the stack */
    /* above it: room for the thread's own use, which takes no memory before its first use either */
    char *extra;
    size_t map_size;
};

/* Makes one of at least this size (raised to what the build's instrumentation needs), with so many
 * bytes of extra room. 0 or -ENOMEM. Any thread. */
int stack_make(struct stack *ret_stack, size_t size, size_t extra) MUST_USE;

/* Gives the memory back; the thread on it has been joined. Nothing to do if there is none. */
void stack_free(struct stack *stack);

/* How many mappings one stack may add to the process. */
size_t stack_mappings(void);

#endif
