#include "road/shake.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "road/generation.h"
#include "road/shortage.h"
#include "tls/client.h"
#include "tls/handshake.h"
#include "tls/identity.h"
#include "tls/server.h"

static void note_client_facts(struct job *job, const struct tls_agreed *facts) {
    struct record *record = &job->record;

    record->tls_version = facts->version;
    record->tls_suite = facts->suite;
    record->tls_resumed = facts->resumed;
    snprintf(record->alpn, sizeof(record->alpn), "%s", facts->alpn);
}

static enum end end_of_client(struct job *job, enum tls_handshake_outcome outcome) {
    switch (outcome) {
    case TLS_DONE:
        return END_NONE;
    case TLS_TIMEOUT:
        return END_HELLO_TIMEOUT;
    case TLS_STOPPED:
        return END_STOPPED;
    case TLS_SHORTAGE:
        shortage_log("make a TLS handshake", ENOMEM);
        return END_NO_PUMPS;
    case TLS_LEFT:
        snprintf(job->record.why, sizeof(job->record.why), "it left in the handshake");
        return END_CLIENT_HELLO;
    case TLS_FAILED:
    default:
        return END_CLIENT_HELLO;
    }
}

enum end shake_client(struct job *job, usec_t deadline, const _Atomic bool *stop) {
    struct tls_wire wire = {.fd = job->has.client, .deadline = deadline, .stop = stop};
    SSL_CTX *ctx = tls_server_context(job->route->config->tls.server);
    SSL *ssl = SSL_new(ctx);
    enum tls_handshake_outcome outcome = TLS_SHORTAGE;
    struct tls_agreed facts;

    SSL_CTX_free(ctx);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
        outcome = tls_handshake(ssl, &wire, &job->has.client_tls, &facts, job->record.why);
        if (outcome == TLS_DONE && tls_identity_new(ssl, &job->has.shown) < 0)
            outcome = TLS_SHORTAGE;
        SSL_free(ssl);
    }
    job->record.header += wire.received;
    if (outcome == TLS_DONE)
        note_client_facts(job, &facts);
    return end_of_client(job, outcome);
}

static int error_of_server(struct job *job, enum tls_handshake_outcome outcome) {
    switch (outcome) {
    case TLS_DONE:
        return 0;
    case TLS_TIMEOUT:
        return -ETIMEDOUT;
    case TLS_STOPPED:
        return -ECANCELED;
    case TLS_SHORTAGE:
        return -ENOMEM;
    case TLS_LEFT:
        snprintf(job->record.why, sizeof(job->record.why), "it left in the handshake");
        return -ECONNRESET;
    case TLS_FAILED:
    default:
        return -EPROTO;
    }
}

int shake_server(struct job *job, struct tls_client *client, const char *host,
                 const struct shake_wait *wait) {
    struct tls_wire wire = {.fd = job->has.server,
                            .deadline = wait->deadline,
                            .stop = wait->stop,
                            .patience = wait->patience,
                            .on_wait = wait->on_wait,
                            .arg = wait->arg};
    enum tls_handshake_outcome outcome = TLS_SHORTAGE;
    SSL *ssl = tls_client_open(client, host);
    struct tls_agreed facts;

    if (ssl != NULL) {
        outcome = tls_handshake(ssl, &wire, &job->has.server_tls, &facts, job->record.why);
        if (outcome == TLS_FAILED)
            (void)tls_client_why(ssl, job->record.why, sizeof(job->record.why));
        SSL_free(ssl);
    }
    job->record.server_header = wire.received;
    return error_of_server(job, outcome);
}
