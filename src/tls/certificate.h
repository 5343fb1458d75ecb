/* A certificate with its chain and its key, and what is worth knowing of it. Immutable, counted;
 * any thread. */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <openssl/types.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "tls/mark.h"
#include "tls/problems.h"

#define TLS_FINGERPRINT_SIZE 32 /* SHA-256 of the certificate */

/* One of each can serve the same name: libssl takes what the client can verify. */
enum tls_key_type { TLS_KEY_RSA, TLS_KEY_ECDSA, TLS_KEY_ED25519, TLS_KEY_TYPES };

struct tls_certificate {
    X509 *leaf;
    STACK_OF(X509) * chain; /* what is sent after it */
    EVP_PKEY *key;
    char *file, *key_file;
    struct file_mark mark, key_mark; /* as they were when they were read */
    char **names;                    /* in small letters: those of DNS, then IP addresses */
    size_t n_names;
    enum tls_key_type type;
    int key_bits;
    char *subject, *issuer;        /* for people: common name and organisation */
    char *serial;                  /* in hexadecimal, in small letters */
    int64_t not_before, not_after; /* seconds since 1970 */
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
};

/* Reads the chain in file, and the key in key_file, NULL: where it lies beside it. Tells of all
 * that is wrong or doubtful. One reference, or NULL: told. */
struct tls_certificate *tls_certificate_read(const char *file, const char *key_file,
                                             struct tls_problems *problems) MUST_USE;

/* NULL is fine for the second. */
struct tls_certificate *tls_certificate_ref(struct tls_certificate *certificate);
void tls_certificate_unref(struct tls_certificate *certificate);

/* Whether its files are still what was read. Waits for the medium alone. */
bool tls_certificate_is_current(const struct tls_certificate *certificate);

/* "rsa 2048", "ecdsa 256". Returns buf. */
const char *tls_certificate_say_key(const struct tls_certificate *certificate, char *buf,
                                    size_t size);

#endif
