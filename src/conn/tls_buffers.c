#include "conn/tls_buffers.h"

#include <stdlib.h>

void tls_buffers_init(struct tls_buffers *buffers) UNCHECKED {
    lock_init(&buffers->lock, RANK_LEAF);
    buffers->n_free = buffers->fewest = 0;
}

void tls_buffers_destroy(struct tls_buffers *buffers) UNCHECKED {
    while (buffers->n_free > 0)
        free(buffers->free[--buffers->n_free]);
    lock_destroy(&buffers->lock);
}

struct tls_buffer *tls_buffers_get(struct tls_buffers *buffers) {
    struct tls_buffer *buffer = NULL;

    lock_acquire(&buffers->lock);
    if (buffers->n_free > 0)
        buffer = buffers->free[--buffers->n_free];
    if (buffers->n_free < buffers->fewest)
        buffers->fewest = buffers->n_free;
    lock_release(&buffers->lock);
    return buffer != NULL ? buffer : malloc(sizeof(struct tls_buffer));
}

void tls_buffers_put(struct tls_buffers *buffers, struct tls_buffer *buffer) {
    if (buffer == NULL)
        return;
    lock_acquire(&buffers->lock);
    if (buffers->n_free < TLS_BUFFERS_KEPT) {
        buffers->free[buffers->n_free++] = buffer;
        buffer = NULL;
    }
    lock_release(&buffers->lock);
    free(buffer);
}

/* One that has not been lent since the last time. The oldest are at the front. */
static struct tls_buffer *take_unneeded_buffer(struct tls_buffers *buffers) {
    struct tls_buffer *buffer = NULL;

    lock_acquire(&buffers->lock);
    if (buffers->fewest > 0) {
        buffers->fewest--;
        buffer = buffers->free[0];
        buffers->n_free--;
        for (size_t i = 0; i < buffers->n_free; i++)
            buffers->free[i] = buffers->free[i + 1];
    }
    lock_release(&buffers->lock);
    return buffer;
}

void tls_buffers_trim(struct tls_buffers *buffers) {
    struct tls_buffer *buffer;

    while ((buffer = take_unneeded_buffer(buffers)) != NULL)
        free(buffer);
    lock_acquire(&buffers->lock);
    buffers->fewest = buffers->n_free;
    lock_release(&buffers->lock);
}
