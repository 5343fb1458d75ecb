/* TLS towards the servers of an upstream: its settings as an SSL_CTX, and why a server's
 * certificate was refused. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "tls/look.h"
#include "tls/problems.h"

typedef struct ssl_st SSL; /* as libssl has it; a build without it has none */

#define TLS_WHY_MAX 400 /* bytes of a reason, NUL included */

/* Options of an upstream's tls section; "" is none. */
struct tls_client_settings {
    bool verify;
    const char *ca;   /* path; "": this machine's */
    const char *name; /* that is asked for and verified; "": the server's host */
    const char *const *alpn;
    size_t n_alpn;
    const char *certificate, *key; /* paths; key "": beside the certificate */
};

struct tls_client;

/* Reads all files. Tells of each problem; one reference, or NULL: one was wrong. Copies what it
 * keeps. Waits for the medium alone. Any thread. */
struct tls_client *tls_client_new(const struct tls_client_settings *settings,
                                  tls_problem_fn *on_problem, void *arg) MUST_USE;

/* NULL is fine for both. Any thread. */
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client);

/* For one connection, before its handshake: SSL_free is due. The name that is sent (SNI) and
 * verified is the settings', else this host, as the operator wrote it. An IP address is verified as
 * such, and not sent (RFC 6066, 3). NULL: no memory. Any thread. */
SSL *tls_client_open(struct tls_client *client, const char *host) MUST_USE;

/* Whether it offers protocols by ALPN. Any thread. */
bool tls_client_offers(const struct tls_client *client);

/* Calls fn for the certificate of this moment, if there is one. Any thread, without a lock. */
void tls_client_visit(struct tls_client *client, tls_facts_fn *fn, void *arg);

/* Looks whether files have changed, and takes what is new and sound: connections that are there
 * keep what they have. Waits for the medium alone. One thread at a time. */
enum tls_look tls_client_look(struct tls_client *client, const struct tls_look_calls *calls);

/* Why the server's certificate was refused, in a clause with its remedy: "its certificate is for
 * a.example, not for b.example ...". False: it was not. */
bool tls_client_why(const SSL *ssl, char *buf, size_t size);

#endif
