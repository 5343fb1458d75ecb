/* TLS towards the clients of a listener: its settings and certificates, as an SSL_CTX.
 *
 * wrong_session: the certificate is chosen in the ClientHello callback, since libssl decides about
 * resumption before it asks the servername callback (nginx, CVE-2025-23419); and the session's
 * context is a hash of the listener, its suites and groups, the certificates that were chosen, and
 * what verifies clients.
 * So no ticket is worth anything where it would say less than a full handshake. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "tls/look.h"
#include "tls/problems.h"

typedef struct ssl_ctx_st SSL_CTX; /* as libssl has it; a build without it has none */
typedef struct ssl_st SSL;

/* In the order of options.def. */
enum tls_least_version { TLS_LEAST_1_2, TLS_LEAST_1_3 };
enum tls_verify_client { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

/* Options of a listener's tls section; "" is none. */
struct tls_server_settings {
    const char *listener;
    const char *const *certificates; /* paths */
    size_t n_certificates;
    const char *key; /* path; "": beside the certificate */
    int min_version; /* enum tls_least_version */
    const char *ciphers, *groups;
    const char *const *alpn;
    size_t n_alpn;
    int verify_client; /* enum tls_verify_client */
    const char *ca, *crl;
    bool tickets;
    const char *ticket_keys; /* path; "": this machine's own */
};

struct tls_server;

/* Reads all files. Tells of each problem; one reference, or NULL: one was wrong. Copies what it
 * keeps. Waits for the medium alone. Any thread. */
struct tls_server *tls_server_new(const struct tls_server_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) MUST_USE;

/* NULL is fine for both. Any thread. */
struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server);

/* Calls fn for each certificate of this moment. Any thread, without a lock. */
void tls_server_visit(struct tls_server *server, tls_facts_fn *fn, void *arg);

/* Calls fn for each certificate of this moment that a client is offered who asks for this name, in
 * small letters. Whether they are for it; else they are the first. The same. */
bool tls_server_visit_name(struct tls_server *server, const char *name, tls_facts_fn *fn,
                           void *arg);

/* Whether a certificate of this moment is for this name, in small letters; of "*.NAME", whether one
 * is for any or all that have one label more. Any thread. */
bool tls_server_covers(struct tls_server *server, const char *name);

/* Whether the certificate of a client that asked for this name ("": none) is for the other one,
 * in small letters, or an IP address, too. One without any name is for all. Any thread. */
bool tls_server_shares(struct tls_server *server, const char *asked, const char *host);

/* The names of all certificates of this moment, for people: "a.example, b.example and 4 more", or
 * "no name". Returns buf. Any thread. */
const char *tls_server_say_names(struct tls_server *server, char *buf, size_t size);

/* Looks whether files have changed, and takes what is new and sound: in the place of others, their
 * connections keep what they have. Waits for the medium alone. One thread at a time. */
enum tls_look tls_server_look(struct tls_server *server, const struct tls_look_calls *calls);

/* Whether the client of a handshake has asked for a name that no certificate is for: it was offered
 * the first one. The thread that has ssl. */
bool tls_server_lacks_name(const SSL *ssl);

/* The SSL_CTX of this moment, with a reference for the caller (SSL_CTX_free). Any thread. */
SSL_CTX *tls_server_context(struct tls_server *server) MUST_USE;

#endif
