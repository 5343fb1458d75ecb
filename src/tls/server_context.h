/* The SSL_CTX of a listener, made from its settings and files. */
#ifndef TLS_SERVER_CONTEXT_H
#define TLS_SERVER_CONTEXT_H

#include "base/check.h"
#include "tls/certificates.h"
#include "tls/server.h"

/* Reads all files and tells of each problem. former: one of the same settings, NULL: none. With it,
 * no file that is wrong now keeps the others from being taken: certificates are as
 * certificates_read has it; ca and crl, and ticket_keys, are as they are there. One reference, or
 * NULL: told. What it stands on is freed with it. Any thread. */
SSL_CTX *server_context_new(const struct tls_server_settings *settings, const SSL_CTX *former,
                            struct tls_problems *problems) MUST_USE;

/* See tls_server_lacks_name. */
bool server_context_lacks_name(const SSL *ssl);

/* The certificates of such an SSL_CTX, for as long as it is there. */
const struct tls_certificates *server_context_certificates(const SSL_CTX *ctx);

#endif
