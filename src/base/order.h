/* Which of two comes first, for qsort(3) and bsearch(3). */
#ifndef BASE_ORDER_H
#define BASE_ORDER_H

#include <stdint.h>

/* Below 0, 0 or above 0. */
static inline int compare_numbers(int64_t a, int64_t b) {
    return a < b ? -1 : a > b;
}

#endif
