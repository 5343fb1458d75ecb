#include "road/shake.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "road/generation.h"
#include "road/shortage.h"
#include "tls/handshake.h"
#include "tls/server.h"

static void note_client_facts(struct job *job, const struct tls_facts *facts) {
    struct record *record = &job->record;

    record->tls_version = facts->version;
    record->tls_suite = facts->suite;
    record->tls_resumed = facts->resumed;
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
    struct tls_facts facts;

    SSL_CTX_free(ctx);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
        outcome = tls_handshake(ssl, &wire, &job->has.client_tls, &facts, job->record.why);
        SSL_free(ssl);
    }
    job->record.header += wire.received;
    if (outcome == TLS_DONE)
        note_client_facts(job, &facts);
    return end_of_client(job, outcome);
}
