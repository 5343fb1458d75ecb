#include "tls/talk.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/asked.h"
#include "tls/client.h"
#include "tls/failure.h"

struct tls_talk {
    SSL *ssl;
    bool heard; /* data has come */
    char why[TLS_REASON_MAX];
};

static bool offer_http1(SSL *ssl) {
    static const unsigned char list[] = "\x8http/1.1";

    return SSL_set_alpn_protos(ssl, list, sizeof(list) - 1) == 0;
}

struct tls_talk *tls_talk_new(struct tls_client *client, const char *host, bool http1, int fd) {
    struct tls_talk *talk = calloc(1, sizeof(*talk));

    if (talk != NULL)
        talk->ssl = tls_client_open(client, host);
    if (talk != NULL && talk->ssl != NULL && SSL_set_fd(talk->ssl, fd) == 1 &&
        (!http1 || !tls_client_offers(client) || offer_http1(talk->ssl)))
        return talk;
    tls_talk_free(talk);
    return NULL;
}

void tls_talk_free(struct tls_talk *talk) {
    if (talk == NULL)
        return;
    SSL_free(talk->ssl);
    free(talk);
}

/* Without close_notify. */
static bool is_mere_end(void) {
    unsigned long error = ERR_peek_error();

    return ERR_GET_LIB(error) == ERR_LIB_SSL &&
           ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* Of a call that returned r <= 0: 0 at the end of data, or -errno. */
static int outcome_of_talk(struct tls_talk *talk, int r) {
    int saved = errno;

    switch (SSL_get_error(talk->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return -saved; /* 0: the end, as libssl tells it at other places */
    default:
        if (is_mere_end())
            return 0;
        tls_failure_words(talk->ssl, ERR_peek_error(), talk->why);
        return -EPROTO;
    }
}

int tls_talk_shake(struct tls_talk *talk, char *ret_why, size_t size) {
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(talk->ssl);
    if (done == 1)
        return 0;
    int r = outcome_of_talk(talk, done);
    if (r == -EPROTO && !tls_client_why(talk->ssl, ret_why, size))
        snprintf(ret_why, size, "%s", talk->why);
    ERR_clear_error();
    return r == 0 ? -EPIPE : r;
}

bool tls_talk_is_answered(const struct tls_talk *talk) {
    OSSL_HANDSHAKE_STATE state = SSL_get_state(talk->ssl);

    return state != TLS_ST_BEFORE && state != TLS_ST_CW_CLNT_HELLO;
}

static int at_most_int(size_t n) {
    return n > INT_MAX ? INT_MAX : (int)n;
}

ssize_t tls_talk_send(struct tls_talk *talk, const void *bytes, size_t n) {
    if (n == 0)
        return 0;
    ERR_clear_error();
    errno = 0;
    int sent = SSL_write(talk->ssl, bytes, at_most_int(n));
    if (sent > 0)
        return sent;
    int r = outcome_of_talk(talk, sent);
    return r == 0 ? -EPIPE : r;
}

ssize_t tls_talk_recv(struct tls_talk *talk, void *buf, size_t size) {
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(talk->ssl, buf, at_most_int(size));
    talk->heard |= n > 0;
    return n > 0 ? n : outcome_of_talk(talk, n);
}

/* A server that gives up with an alert resets the connection if it was sent something: the alert
 * lies there still. */
const char *tls_talk_why(struct tls_talk *talk) {
    char byte;

    ERR_clear_error();
    if (talk->why[0] == '\0' && SSL_read(talk->ssl, &byte, sizeof(byte)) <= 0 &&
        ERR_peek_error() != 0 && !is_mere_end())
        tls_failure_words(talk->ssl, ERR_peek_error(), talk->why);
    ERR_clear_error();
    if (talk->why[0] == '\0' && !talk->heard)
        alert_words_of_silence(asked_get(talk->ssl), talk->why);
    return talk->why;
}

bool tls_talk_wants_to_write(const struct tls_talk *talk) {
    return SSL_want_write(talk->ssl);
}

void tls_talk_end(struct tls_talk *talk) {
    if (SSL_is_init_finished(talk->ssl))
        (void)SSL_shutdown(talk->ssl);
    ERR_clear_error();
}
