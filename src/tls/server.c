#include "tls/server.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/sync.h"
#include "tls/server_context.h"

struct tls_server {
    atomic_uint references;
    struct lock lock;
    SSL_CTX *ctx GUARDED;
};

UNCHECKED /* nobody else has it yet */
    struct tls_server *
    tls_server_new(const struct tls_server_settings *settings, tls_problem_fn *on_problem,
                   void *arg) {
    struct tls_problems problems = {.fn = on_problem, .arg = arg, .value = TLS_ONLY_VALUE};
    struct tls_server *server = calloc(1, sizeof(*server));
    SSL_CTX *ctx = server_context_new(settings, &problems);

    if (server == NULL && ctx != NULL)
        tls_tell_no_memory(&problems);
    if (server == NULL || ctx == NULL) {
        SSL_CTX_free(ctx);
        free(server);
        return NULL;
    }
    atomic_init(&server->references, 1);
    lock_init(&server->lock, RANK_LEAF);
    server->ctx = ctx;
    return server;
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    if (server != NULL)
        atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
    return server;
}

UNCHECKED /* nobody else has it any more */
    void
    tls_server_unref(struct tls_server *server) {
    if (server == NULL ||
        atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) != 1)
        return;
    lock_destroy(&server->lock);
    SSL_CTX_free(server->ctx);
    free(server);
}

SSL_CTX *tls_server_context(struct tls_server *server) {
    lock_acquire(&server->lock);
    SSL_CTX *ctx = server->ctx;
    (void)SSL_CTX_up_ref(ctx);
    lock_release(&server->lock);
    return ctx;
}
