/* The cipher suites that relayd speaks: AEAD alone, with forward secrecy. Knows no library. */
#ifndef WIRE_TLS_SUITE_H
#define WIRE_TLS_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tls_keys.h"

struct tls_suite {
    uint16_t version;    /* the one that has it */
    uint16_t id;         /* IANA's, as on the wire */
    const char *name;    /* IANA's */
    const char *openssl; /* OpenSSL's name */
    enum tls_cipher cipher;
    bool sha384; /* the hash of its key schedule; else SHA-256 */
};

/* From the best of a version to its last: Mozilla's intermediate, without what is no AEAD or no
 * ECDHE. NULL: there are no more. */
const struct tls_suite *tls_suite_at(size_t i);

/* NULL: not one of ours. */
const struct tls_suite *tls_suite_find(uint16_t id);

/* "TLSv1.3"; "": none. */
const char *tls_version_name(uint16_t version);

/* "": none of ours. */
const char *tls_suite_name(uint16_t id);

#endif
