/* Instead of the rest of this room, in a build without it. */
#include "tls/server.h"
#include "tls/session.h"

struct tls_server *tls_server_new(const struct tls_server_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    (void)settings;
    on_problem(arg, TLS_WRONG, NULL, TLS_ONLY_VALUE,
               "this relayd was built without TLS (meson -Dtls)");
    return NULL;
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    return server;
}

void tls_server_unref(struct tls_server *server) {
    (void)server;
}

SSL_CTX *tls_server_context(struct tls_server *server) {
    (void)server;
    return NULL;
}

/* There are no sessions. */

void tls_session_free(struct tls_session *session) {
    CHECK(session == NULL);
}

uint8_t *tls_session_seal_all(struct tls_session *session, const struct iovec *parts, size_t n,
                              size_t *ret_size) {
    (void)session;
    (void)parts;
    (void)n;
    (void)ret_size;
    return NULL;
}
