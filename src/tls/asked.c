#include "tls/asked.h"

#include <openssl/ssl.h>
#include <pthread.h>

#include "base/check.h"

static pthread_once_t asked_once = PTHREAD_ONCE_INIT;
static int asked_index;

static void make_asked_index(void) {
    asked_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    CHECK(asked_index >= 0);
}

static int on_asked(SSL *ssl, void *arg) {
    (void)arg;
    return SSL_set_ex_data(ssl, asked_index, &asked_index); /* any pointer says so */
}

void asked_watch(SSL_CTX *ctx) {
    pthread_once(&asked_once, make_asked_index);
    SSL_CTX_set_cert_cb(ctx, on_asked, NULL);
}

enum tls_asked asked_get(const SSL *ssl) {
    pthread_once(&asked_once, make_asked_index);
    if (SSL_get_ex_data(ssl, asked_index) == NULL)
        return TLS_NOT_ASKED;
    return SSL_get_certificate(ssl) != NULL ? TLS_ASKED_SHOWN : TLS_ASKED_IN_VAIN;
}
