#include "road/shake.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "road/generation.h"
#include "road/openings.h"
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

/* A client that has a name none of the certificates is for. */
struct lacked_name {
    char listener[CONFIG_NAME_MAX], name[RECORD_SNI_MAX];
    char certified[256]; /* the names that there are */
    struct addr client;
};

static void format_lacked_name(struct log_line *line, const void *payload) {
    const struct lacked_name *lacked = payload;
    char client[ADDR_TEXT_MAX];

    log_line_text(line,
                  "Listener %s has no certificate for %s, which %s asked for: it got the first "
                  "one. There are those for %s.",
                  lacked->listener, lacked->name,
                  addr_format(&lacked->client, client, sizeof(client)), lacked->certified);
    log_line_field(line, "RELAYD_LISTENER", lacked->listener);
    log_line_field(line, "RELAYD_CLIENT", client);
    log_line_field(line, "RELAYD_TLS_SNI", lacked->name);
}

static void format_more_lacked_names(struct log_line *line, const void *last, unsigned long count) {
    const struct lacked_name *lacked = last;

    log_line_text(line,
                  "%lu more clients within a second asked for names that no certificate is for; "
                  "the last one asked listener %s for %s.",
                  count, lacked->listener, lacked->name);
    log_line_number(line, "RELAYD_COUNT", count);
    log_line_field(line, "RELAYD_LISTENER", lacked->listener);
    log_line_field(line, "RELAYD_TLS_SNI", lacked->name);
}

/* Strangers ask for what they like. */
static void say_lacked_name(const struct job *job) {
    static const struct log_group group = {LOG_GROUP_COUNT - 2, 10, MSG_UNKNOWN_NAME,
                                           format_more_lacked_names};
    struct lacked_name lacked = {.client = job->record.client};

    _Static_assert(END_COUNT < LOG_GROUP_COUNT - 1, "this group is no end's (record.c)");
    if (job->record.sni[0] == '\0') /* an IP address, which is none */
        return;
    memcpy(lacked.listener, job->record.listener, sizeof(lacked.listener));
    memcpy(lacked.name, job->record.sni, sizeof(lacked.name));
    tls_server_say_names(job->route->config->tls.server, lacked.certified,
                         sizeof(lacked.certified));
    log_event_grouped(MSG_UNKNOWN_NAME, format_lacked_name, &lacked, sizeof(lacked), &group);
}

/* What else is known of a client that broke off, or says why. */
static void blame_lacked_name(struct job *job, enum end end) {
    if (end == END_CLIENT_HELLO && job->record.sni[0] != '\0' && job->record.why[0] != '\0')
        text_append(job->record.why, sizeof(job->record.why),
                    "; no certificate is for the name that it asked for");
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

enum end shake_client(struct opening *opening) {
    struct job *job = &opening->job;
    struct tls_wire wire = {.fd = job->has.client,
                            .deadline = opening->deadline,
                            .stop = &opening->openings->stop,
                            .receive_span = opening->timeout,
                            .certain = opening->hello};
    SSL_CTX *ctx = tls_server_context(job->route->config->tls.server);
    SSL *ssl = SSL_new(ctx);
    enum tls_handshake_outcome outcome = TLS_SHORTAGE;
    struct tls_agreed facts;
    bool lacks_name = false;

    SSL_CTX_free(ctx);
    if (ssl != NULL) {
        SSL_set_accept_state(ssl);
        outcome = tls_handshake(ssl, &wire, &job->has.client_tls, &facts, job->record.why);
        if (outcome == TLS_DONE && tls_identity_new(ssl, &job->has.shown) < 0)
            outcome = TLS_SHORTAGE;
        lacks_name = tls_server_lacks_name(ssl);
        SSL_free(ssl);
    }
    job->record.header += wire.received;
    if (outcome == TLS_DONE) {
        job->has.client_tls->outlives = job->route->config->tls.outlive;
        note_client_facts(job, &facts);
        atomic_fetch_add_explicit(&job->route->limit->shaken[facts.resumed], 1,
                                  memory_order_relaxed);
        if (lacks_name)
            say_lacked_name(job);
    }
    enum end end = end_of_client(job, outcome);
    if (lacks_name)
        blame_lacked_name(job, end);
    return end;
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

int shake_server(struct job *job, const struct upstream_tls_config *tls, const char *host,
                 const struct shake_wait *wait) {
    struct tls_wire wire = {.fd = job->has.server,
                            .deadline = wait->deadline,
                            .stop = wait->stop,
                            .patience = wait->patience,
                            .on_wait = wait->on_wait,
                            .arg = wait->arg};
    enum tls_handshake_outcome outcome = TLS_SHORTAGE;
    SSL *ssl = tls_client_open(tls->client, host);
    struct tls_agreed facts;

    if (ssl != NULL) {
        outcome = tls_handshake(ssl, &wire, &job->has.server_tls, &facts, job->record.why);
        SSL_free(ssl);
    }
    if (outcome == TLS_DONE)
        job->has.server_tls->outlives = tls->outlive;
    job->record.server_header = wire.received;
    return error_of_server(job, outcome);
}
