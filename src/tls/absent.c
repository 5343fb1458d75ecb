/* Instead of the rest of this room, in a build without it. */
#include "tls/server.h"

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
