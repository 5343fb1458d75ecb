#include "road/opener.h"

#include <stdlib.h>

/* The frames of a TLS handshake are large; the pages that it dirties stay with the opener. */
#define OPENER_STACK ((size_t)256 * 1024)

struct opener *opener_new(struct openings *openings, struct opening *opening) UNCHECKED {
    struct opener *opener = calloc(1, sizeof(*opener));

    if (opener == NULL)
        return NULL;
    opener->openings = openings;
    opener->opening = opening;
    return opener;
}

int opener_start(struct opener *opener, thread_fn *fn) {
    int r = stack_make(&opener->stack, OPENER_STACK, 0);

    return r == 0 ? thread_start(&opener->thread, "opener", &opener->stack, fn, opener) : r;
}

void opener_call(struct opener *opener) {
    event_put(&opener->wake, event_value(&opener->wake) + 1);
}

void opener_free(struct opener *opener) {
    thread_join(&opener->thread);
    stack_free(&opener->stack);
    free(opener);
}
