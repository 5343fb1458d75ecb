/* first_sequence: where libssl's count of records is when it is done, is where ours begins. TLS
 * 1.3: what a server has sent since the client's Finished are tickets, under the new key; a client
 * has sent nothing under it, and neither has read anything. TLS 1.2: Finished was number 0 in both
 * directions, and the explicit nonce of GCM goes on from that of our Finished, which libssl begins
 * at a random number (RFC 5288, 3, leaves that open). */
#include "tls/handshake.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/secrets.h"
#include "tls/asked.h"
#include "tls/failure.h"
#include "tls/keylog.h"
#include "tls/suites.h"
#include "wire/tls_suite.h"

void tls_handshake_prepare(SSL_CTX *ctx) {
    secrets_keep();
    CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
    CHECK(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1);
    suites_use_all(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 0); /* no byte behind the handshake is read */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    tls_keylog_prepare(ctx);
}

/* By direction of the keys, as TLS sees it. */
struct both_keys {
    struct tls_keys client, server;
};

static int make_keys_1_3(const struct tls_suite *suite, const struct tls_secrets *secrets,
                         struct both_keys *keys) {
    int r = tls_keys_from_secret(suite->cipher, secrets->client, secrets->n_client, &keys->client);

    return r < 0 ? r
                 : tls_keys_from_secret(suite->cipher, secrets->server, secrets->n_server,
                                        &keys->server);
}

static int make_keys_1_2(const SSL *ssl, const struct tls_suite *suite,
                         const struct tls_secrets *secrets, struct both_keys *keys) {
    uint8_t client[SSL3_RANDOM_SIZE], server[SSL3_RANDOM_SIZE];

    if (secrets->n_master != TLS_SECRET_MAX ||
        SSL_get_client_random(ssl, client, sizeof(client)) != sizeof(client) ||
        SSL_get_server_random(ssl, server, sizeof(server)) != sizeof(server))
        return -EPROTO;
    return tls_keys_from_master(suite->cipher, suite->sha384, secrets->master, client, server,
                                &keys->client, &keys->server);
}

/* first_sequence */
static void set_first_sequence(const struct tls_wire *wire, bool is_client, struct tls_keys *out) {
    if (out->version == TLS_1_3) {
        out->sequence = is_client ? 0 : wire->records;
    } else if (out->cipher != TLS_CHACHA20_POLY1305) {
        uint64_t nonce = 0;

        for (size_t i = TLS_HEADER; i < TLS_BEFORE_MAX; i++)
            nonce = nonce << 8 | wire->record_head[i];
        out->nonce = nonce + 1;
    }
}

/* What a client that has little room has asked for, and libssl agreed to: RFC 6066, 4. 0: nothing.
 */
static uint16_t most_in_record(const SSL *ssl) {
    uint8_t asked = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));

    return asked >= TLSEXT_max_fragment_length_512 && asked <= TLSEXT_max_fragment_length_4096
               ? (uint16_t)(256u << asked)
               : 0;
}

static int begin_session(SSL *ssl, const struct tls_wire *wire, const struct tls_secrets *secrets,
                         const struct tls_suite *suite, struct tls_session **ret_session) {
    bool is_client = !SSL_is_server(ssl);
    struct both_keys keys = {0};
    int r = SSL_version(ssl) == TLS1_3_VERSION ? make_keys_1_3(suite, secrets, &keys)
                                               : make_keys_1_2(ssl, suite, secrets, &keys);

    if (r == 0) {
        struct tls_keys *in = is_client ? &keys.server : &keys.client;
        struct tls_keys *out = is_client ? &keys.client : &keys.server;

        set_first_sequence(wire, is_client, out);
        *ret_session = tls_session_new(is_client, in, out);
        r = *ret_session != NULL ? 0 : -ENOMEM;
        if (r == 0) {
            (*ret_session)->in.most = (*ret_session)->out.most = most_in_record(ssl);
            (*ret_session)->asked = asked_get(ssl);
        }
    }
    tls_keys_erase(&keys.client);
    tls_keys_erase(&keys.server);
    return r;
}

static void note_facts(SSL *ssl, const struct tls_suite *suite, struct tls_agreed *ret_agreed) {
    const unsigned char *alpn = NULL;
    unsigned n = 0;

    *ret_agreed = (struct tls_agreed){.version = (uint16_t)SSL_version(ssl),
                                      .suite = suite->id,
                                      .resumed = SSL_session_reused(ssl)};
    SSL_get0_alpn_selected(ssl, &alpn, &n);
    if (n > 0 && n < sizeof(ret_agreed->alpn))
        memcpy(ret_agreed->alpn, alpn, n);
}

static enum tls_handshake_outcome outcome_of_error(int error) {
    switch (error) {
    case ETIMEDOUT:
        return TLS_TIMEOUT;
    case ECANCELED:
        return TLS_STOPPED;
    case ENOMEM:
    case ENOBUFS:
        return TLS_SHORTAGE;
    default:
        return TLS_LEFT;
    }
}

/* An end or an error of the socket goes before what libssl makes of it. */
static enum tls_handshake_outcome explain_failure(SSL *ssl, const struct tls_wire *wire,
                                                  char ret_why[TLS_REASON_MAX]) {
    unsigned long error = ERR_peek_error();

    if (wire->error != 0 && !tls_failure_is_alert(error))
        return outcome_of_error(wire->error);
    if (wire->ended && error == 0)
        return TLS_LEFT;
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        return TLS_SHORTAGE;
    if (wire->ended && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return TLS_LEFT;
    tls_failure_words(ssl, error, ret_why);
    return TLS_FAILED;
}

static enum tls_handshake_outcome finish_handshake(SSL *ssl, const struct tls_wire *wire,
                                                   const struct tls_secrets *secrets,
                                                   struct tls_session **ret_session,
                                                   struct tls_agreed *ret_agreed,
                                                   char ret_why[TLS_REASON_MAX]) {
    uint16_t id = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
    const struct tls_suite *suite = tls_suite_find(id);
    int r = suite != NULL ? begin_session(ssl, wire, secrets, suite, ret_session) : -EPROTO;

    if (r == -ENOMEM)
        return TLS_SHORTAGE;
    if (r < 0) {
        snprintf(ret_why, TLS_REASON_MAX, "libssl did not tell the keys of the connection");
        return TLS_FAILED;
    }
    note_facts(ssl, suite, ret_agreed);
    return TLS_DONE;
}

/* As libssl has it: a client that leaves need not wait for its tickets, and what it has said is to
 * be heard. */
static bool lacks_tickets_alone(const SSL *ssl, const struct tls_wire *wire) {
    return SSL_is_server(ssl) && SSL_version(ssl) == TLS1_3_VERSION &&
           (wire->error == EPIPE || wire->error == ECONNRESET);
}

/* Whether it is done, and what it had to say is sent. */
static bool do_handshake(SSL *ssl, struct tls_wire *wire) {
    bool done = SSL_do_handshake(ssl) == 1;
    bool sent = tls_wire_flush(wire); /* an alert, too */

    return done && (sent || lacks_tickets_alone(ssl, wire));
}

enum tls_handshake_outcome tls_handshake(SSL *ssl, struct tls_wire *wire,
                                         struct tls_session **ret_session,
                                         struct tls_agreed *ret_agreed,
                                         char ret_why[TLS_REASON_MAX]) {
    enum tls_handshake_outcome outcome = TLS_SHORTAGE;
    struct tls_secrets secrets = {0};
    BIO *bio = tls_wire_bio(wire, ssl);

    if (bio == NULL)
        return outcome;
    SSL_set_bio(ssl, bio, bio); /* ssl owns it now */
    ERR_clear_error();
    if (tls_keylog_watch(ssl, &secrets) == 0) {
        if (do_handshake(ssl, wire))
            outcome = finish_handshake(ssl, wire, &secrets, ret_session, ret_agreed, ret_why);
        else
            outcome = explain_failure(ssl, wire, ret_why);
        tls_keylog_leave(ssl);
    }
    ERR_clear_error();
    explicit_bzero(&secrets, sizeof(secrets));
    int r = tls_wire_release(wire);
    if (r < 0 && outcome == TLS_DONE) {
        tls_session_free(*ret_session);
        *ret_session = NULL;
        outcome = outcome_of_error(-r);
    }
    return outcome;
}
