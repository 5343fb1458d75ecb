#include "road/route_count.h"

#include <stdlib.h>

struct route_count *route_count_new(void) {
    struct route_count *count = calloc(1, sizeof(*count));

    if (count != NULL)
        atomic_init(&count->refs, 1);
    return count;
}

struct route_count *route_count_ref(struct route_count *count) {
    atomic_fetch_add_explicit(&count->refs, 1, memory_order_relaxed);
    return count;
}

void route_count_unref(struct route_count *count) {
    if (count != NULL && atomic_fetch_sub_explicit(&count->refs, 1, memory_order_acq_rel) == 1)
        free(count);
}
