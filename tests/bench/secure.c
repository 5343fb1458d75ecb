#include "secure.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *ctx;

void secure_prepare(void) {
    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
        die("libssl");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int wants(const struct conn *c, int r) {
    int error = SSL_get_error(c->ssl, r);

    return error == SSL_ERROR_WANT_READ ? EPOLLIN : error == SSL_ERROR_WANT_WRITE ? EPOLLOUT : 0;
}

int secure_shake(struct conn *c, uint32_t *ret_events) {
    if (c->ssl == NULL) {
        c->ssl = SSL_new(ctx);
        if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
            die("libssl");
        if (opt.resume && c->session != NULL)
            SSL_set_session(c->ssl, c->session);
    }
    int r = SSL_connect(c->ssl);
    if (r == 1) {
        run.resumed += (uint64_t)SSL_session_reused(c->ssl);
        return 1;
    }
    *ret_events = (uint32_t)wants(c, r);
    return *ret_events != 0 ? 0 : -1;
}

static ssize_t sent_or_error(const struct conn *c, int r) {
    if (r > 0)
        return r;
    errno = wants(c, r) != 0 ? EAGAIN : EPROTO;
    return SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t secure_send(struct conn *c, const void *bytes, size_t n) {
    return c->ssl == NULL ? send(c->fd, bytes, n, MSG_NOSIGNAL)
                          : sent_or_error(c, SSL_write(c->ssl, bytes, (int)n));
}

ssize_t secure_recv(struct conn *c, void *buf, size_t n) {
    return c->ssl == NULL ? recv(c->fd, buf, n, 0)
                          : sent_or_error(c, SSL_read(c->ssl, buf, (int)n));
}

bool secure_pending(const struct conn *c) {
    return c->ssl != NULL && SSL_has_pending(c->ssl);
}

void secure_shut(struct conn *c) {
    if (c->ssl != NULL)
        (void)SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
}

void secure_forget(struct conn *c) {
    SSL_free(c->ssl); /* SSL_set_fd gave it no socket to close (BIO_NOCLOSE) */
    c->ssl = NULL;
}

void secure_close(struct conn *c) {
    if (c->ssl != NULL) {
        if (SSL_is_init_finished(c->ssl))
            (void)SSL_shutdown(c->ssl);
        SSL_SESSION_free(c->session);
        c->session = SSL_get1_session(c->ssl); /* of the tickets that came with the answer */
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
}
