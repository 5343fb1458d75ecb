#include "tls/ticket_callback.h"

#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "tls/certificate_facts.h"

/* libssl takes no const. */
static void *without_const(const void *kept) {
    union {
        const void *kept;
        void *given;
    } pointer = {.kept = kept};

    return pointer.given;
}

static int64_t end_of_chain(const STACK_OF(X509) * chain) {
    int64_t end = INT64_MAX;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t one = certificate_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));

        end = one < end ? one : end;
    }
    return end;
}

/* ended_certificate: a session that goes on was not verified anew, and keeps its end. 0: no
 * memory. */
static int on_ticket_made(SSL *ssl, void *arg) {
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    int64_t end = end_of_chain(chain);

    (void)arg;
    return chain == NULL ||
           SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &end, sizeof(end)) == 1;
}

static bool is_verified_yet(SSL_SESSION *session, int64_t lists_end) {
    int64_t now = (int64_t)time(NULL), end;
    void *data = NULL;
    size_t n = 0;

    if (SSL_SESSION_get0_peer(session) == NULL)
        return true;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n != sizeof(end))
        return false;
    memcpy(&end, data, sizeof(end));
    return now < end && now < lists_end;
}

/* ended_certificate */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                          size_t n, SSL_TICKET_STATUS status, void *arg) {
    const int64_t *lists_end = arg;

    (void)ssl, (void)name, (void)n;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) ||
        !is_verified_yet(session, *lists_end))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void ticket_ends_use(SSL_CTX *ctx, const int64_t *lists_end) {
    (void)SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_opened,
                                        without_const(lists_end));
}
