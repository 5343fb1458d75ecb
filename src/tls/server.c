#include "tls/server.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/text.h"
#include "tls/renewed.h"
#include "tls/server_context.h"
#include "tls/server_settings.h"

#define NAMES_SAID 5

enum { FILES_VERIFICATION, FILES_TICKETS }; /* groups */

struct tls_server {
    atomic_uint references;
    struct tls_server_settings settings; /* ours */
    struct renewed renewed;
};

static SSL_CTX *make_for_clients(const void *owner, const SSL_CTX *former,
                                 struct tls_problems *problems) {
    const struct tls_server *server = owner;

    return server_context_new(&server->settings, former, problems);
}

static bool are_files_current(const void *owner, const struct tls_certificates *certificates) {
    const struct tls_server *server = owner;

    return certificates_are_current(certificates, server->settings.certificates,
                                    server->settings.n_certificates);
}

static const struct renewed_ways ways_to_clients = {make_for_clients, server_context_certificates,
                                                    are_files_current};

static void free_server(struct tls_server *server) {
    renewed_free(&server->renewed);
    server_settings_free(&server->settings);
    free(server);
}

static bool begin_server(struct tls_server *server, const struct tls_server_settings *settings,
                         struct tls_problems *problems) {
    if (!server_settings_copy(settings, &server->settings)) {
        tls_tell_no_memory(problems);
        return false;
    }
    renewed_watch(&server->renewed, "ca", server->settings.ca, FILES_VERIFICATION);
    renewed_watch(&server->renewed, "crl", server->settings.crl, FILES_VERIFICATION);
    renewed_watch(&server->renewed, "ticket_keys", server->settings.ticket_keys, FILES_TICKETS);
    return renewed_make(&server->renewed, &ways_to_clients, server, problems);
}

struct tls_server *tls_server_new(const struct tls_server_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) {
    struct tls_problems problems = {.fn = on_problem, .arg = arg, .value = TLS_ONLY_VALUE};
    struct tls_server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        tls_tell_no_memory(&problems);
        return NULL;
    }
    atomic_init(&server->references, 1);
    if (begin_server(server, settings, &problems))
        return server;
    free_server(server);
    return NULL;
}

struct tls_server *tls_server_ref(struct tls_server *server) {
    if (server != NULL)
        atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
    return server;
}

void tls_server_unref(struct tls_server *server) {
    if (server != NULL &&
        atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) == 1)
        free_server(server);
}

SSL_CTX *tls_server_context(struct tls_server *server) {
    return renewed_context(&server->renewed);
}

bool tls_server_lacks_name(const SSL *ssl) {
    return server_context_lacks_name(ssl);
}

void tls_server_visit(struct tls_server *server, tls_facts_fn *fn, void *arg) {
    renewed_visit(&server->renewed, fn, arg);
}

bool tls_server_visit_name(struct tls_server *server, const char *name, tls_facts_fn *fn,
                           void *arg) {
    SSL_CTX *ctx = tls_server_context(server);
    const struct tls_certificates *certificates = server_context_certificates(ctx);
    const struct tls_choice *choice = certificates_find(certificates, name);
    bool found = choice != &certificates->fallback;

    for (size_t i = 0; i < TLS_KEY_TYPES; i++)
        if (choice->by_type[i] != NULL)
            renewed_tell(choice->by_type[i], fn, arg);
    SSL_CTX_free(ctx);
    return found;
}

bool tls_server_covers(struct tls_server *server, const char *name) {
    SSL_CTX *ctx = tls_server_context(server);
    bool covers = certificates_cover(server_context_certificates(ctx), name);

    SSL_CTX_free(ctx);
    return covers;
}

bool tls_server_shares(struct tls_server *server, const char *asked, const char *host) {
    SSL_CTX *ctx = tls_server_context(server);
    bool shares = certificates_share(server_context_certificates(ctx), asked, host);

    SSL_CTX_free(ctx);
    return shares;
}

const char *tls_server_say_names(struct tls_server *server, char *buf, size_t size) {
    SSL_CTX *ctx = tls_server_context(server);
    const struct tls_certificates *certificates = server_context_certificates(ctx);
    size_t n = certificates->n_choices, said = n < NAMES_SAID ? n : NAMES_SAID;

    buf[0] = '\0';
    for (size_t i = 0; i < said; i++)
        text_append(buf, size, "%s%s", i > 0 ? ", " : "", certificates->choices[i].name);
    if (n > said)
        text_append(buf, size, " and %zu more", n - said);
    if (n == 0)
        text_append(buf, size, "no name");
    SSL_CTX_free(ctx);
    return buf;
}

enum tls_look tls_server_look(struct tls_server *server, const struct tls_look_calls *calls) {
    return renewed_look(&server->renewed, calls);
}
