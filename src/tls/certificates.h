/* The certificates of a listener, found by the name that a client asks for. Immutable. */
#ifndef TLS_CERTIFICATES_H
#define TLS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "tls/certificate.h"

/* What serves a name: at most one certificate for each type of key. */
struct tls_choice {
    const char *name;
    const struct tls_certificate *by_type[TLS_KEY_TYPES]; /* NULL: none */
    uint8_t session[TLS_FINGERPRINT_SIZE];                /* certificates_bind */
};

struct tls_certificates {
    struct tls_certificate **list; /* with a reference to each */
    size_t n, room;
    struct tls_choice *choices; /* in the order of names */
    size_t n_choices;
    struct tls_choice fallback; /* the first certificate's; its name is "" */
};

/* Reads the files that these paths stand for (certificate_paths.h). key goes with the only one, ""
 * for where it lies beside it. Of former (NULL: none) those are taken whose files have not
 * changed, and those whose files are wrong now; with it a new file that is wrong is left out.
 * known: whom the other side trusts, as far as that is known. All problems are told. False: there
 * is a file without a certificate. Call certificates_free in either case; ret is zeroed. Waits for
 * the medium alone. */
bool certificates_read(struct tls_certificates *ret, const char *const *paths, size_t n,
                       const char *key, const struct tls_certificates *former, X509_STORE *known,
                       struct tls_problems *problems) MUST_USE;

/* Reads a single one and appends it, without an index of names: the same otherwise. */
bool certificates_read_one(struct tls_certificates *ret, const char *file, const char *key,
                           const struct tls_certificates *former, X509_STORE *known,
                           struct tls_problems *problems) MUST_USE;

/* Whether all files are those that were read: none is new, changed or gone. Waits the same. */
bool certificates_are_current(const struct tls_certificates *certificates, const char *const *paths,
                              size_t n);

/* Whether one is for this name, in small letters; of "*.NAME", whether one is for any or all that
 * have one label more. Any thread, without a lock. */
bool certificates_cover(const struct tls_certificates *certificates, const char *name);

/* Whether what is chosen for the first name ("": none) is for the other one, in small letters, or
 * an IP address, too. So is a certificate without any name. Any thread, without a lock. */
bool certificates_share(const struct tls_certificates *certificates, const char *asked,
                        const char *host);

void certificates_free(struct tls_certificates *certificates);

/* Sets session of each choice: what was digested so far, and its certificates. False: no memory. */
bool certificates_bind(struct tls_certificates *certificates, const EVP_MD_CTX *digest) MUST_USE;

/* By this name, in small letters and without a dot at its end; else by the wildcard of its first
 * label; else the fallback. NULL is none. Any thread, without a lock. */
const struct tls_choice *certificates_find(const struct tls_certificates *certificates,
                                           const char *name);

#endif
