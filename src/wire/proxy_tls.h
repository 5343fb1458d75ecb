/* What version 2 of the PROXY protocol tells a server of TLS that ended before it. */
#ifndef WIRE_PROXY_TLS_H
#define WIRE_PROXY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_SUBJECT_MAX     256
#define PROXY_COMMON_MAX      128
#define PROXY_NAMES_MAX       512
#define PROXY_FINGERPRINT_MAX 32 /* SHA-256 */

/* Of a client's certificate. A text that does not fit is "": half a name may be another's. */
struct proxy_certificate {
    bool verified;
    bool resumed;                    /* shown in an earlier connection of the session */
    char common[PROXY_COMMON_MAX];   /* its common name */
    char subject[PROXY_SUBJECT_MAX]; /* RFC 4514 */
    char signature[32];              /* OpenSSL's name: "ecdsa-with-SHA256" */
    char key[16];                    /* "RSA2048", "EC256" */
    uint8_t fingerprint[PROXY_FINGERPRINT_MAX];
    uint8_t names[PROXY_NAMES_MAX]; /* one after the other, each after a byte with its length */
    size_t n_names;                 /* bytes of that: "DNS:..", "URI:..", "email:..", "IP:.." */
};

struct proxy_tls {
    const char *version, *cipher;                /* "TLSv1.3", IANA's name */
    const char *alpn, *name;                     /* agreed on; asked for by SNI; "": none */
    const struct proxy_certificate *certificate; /* NULL: the client showed none */
};

#endif
