#include "tls/talk.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/client.h"
#include "tls/failure.h"

struct tls_talk {
    SSL *ssl;
};

struct tls_talk *tls_talk_new(struct tls_client *client, const char *host, int fd) {
    struct tls_talk *talk = calloc(1, sizeof(*talk));

    if (talk != NULL)
        talk->ssl = tls_client_open(client, host);
    if (talk != NULL && talk->ssl != NULL && SSL_set_fd(talk->ssl, fd) == 1)
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

/* Of a call that returned r <= 0: 0 at the end of data, or -errno. */
static int outcome_of_talk(const struct tls_talk *talk, int r) {
    int saved = errno;

    switch (SSL_get_error(talk->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return saved != 0 ? -saved : -ECONNRESET; /* the end, without close_notify */
    default:
        return -EPROTO;
    }
}

int tls_talk_shake(struct tls_talk *talk, char *ret_why, size_t size) {
    char why[TLS_REASON_MAX];

    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(talk->ssl);
    if (done == 1)
        return 0;
    int r = outcome_of_talk(talk, done);
    if (r == -EPROTO && !tls_client_why(talk->ssl, ret_why, size)) {
        tls_failure_words(talk->ssl, ERR_peek_error(), why);
        snprintf(ret_why, size, "%s", why);
    }
    ERR_clear_error();
    return r == 0 ? -ECONNRESET : r;
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
    return n > 0 ? n : outcome_of_talk(talk, n);
}

bool tls_talk_wants_to_write(const struct tls_talk *talk) {
    return SSL_want_write(talk->ssl);
}

void tls_talk_end(struct tls_talk *talk) {
    if (SSL_is_init_finished(talk->ssl))
        (void)SSL_shutdown(talk->ssl);
    ERR_clear_error();
}
