#include "tls/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/certificate_facts.h"
#include "tls/key_file.h"
#include "tls/key_mode.h"
#include "tls/pem.h"

/* The references are nobody's business but this file's. */
struct shared_certificate {
    struct tls_certificate certificate; /* first */
    atomic_uint references;
};

struct tls_certificate *tls_certificate_ref(struct tls_certificate *certificate) {
    struct shared_certificate *shared = (struct shared_certificate *)certificate;

    CHECK(atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed) > 0);
    return certificate;
}

void tls_certificate_unref(struct tls_certificate *certificate) {
    struct shared_certificate *shared = (struct shared_certificate *)certificate;

    if (certificate == NULL ||
        atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1)
        return;
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    for (size_t i = 0; i < certificate->n_names; i++)
        free(certificate->names[i]);
    free(certificate->names);
    free(certificate->subject);
    free(certificate->issuer);
    free(certificate->serial);
    free(certificate->file);
    free(certificate->key_file);
    free(shared);
}

bool tls_certificate_is_current(const struct tls_certificate *certificate) {
    return file_mark_is(&certificate->mark, certificate->file) &&
           file_mark_is(&certificate->key_mark, certificate->key_file);
}

const char *tls_certificate_say_key(const struct tls_certificate *certificate, char *buf,
                                    size_t size) {
    static const char *const words[] = {
        [TLS_KEY_RSA] = "rsa", [TLS_KEY_ECDSA] = "ecdsa", [TLS_KEY_ED25519] = "ed25519"};

    if (certificate->type == TLS_KEY_ED25519)
        snprintf(buf, size, "%s", words[certificate->type]);
    else
        snprintf(buf, size, "%s %d", words[certificate->type], certificate->key_bits);
    return buf;
}

/* Takes the key out of the file. False: told. */
static bool adopt_key(struct tls_certificate *certificate, struct pem *pem, const char *file,
                      struct tls_problems *problems) {
    if (pem->key == NULL) {
        tls_tell(
            problems, TLS_WRONG,
            pem->encrypted
                ? "%s: the key is encrypted, and nobody can type its password here; openssl "
                  "pkey -in FILE -out FILE writes it without one, for the service alone to read"
                : "%s: there is no private key in it",
            file);
        return false;
    }
    key_mode_check(file, "the private key", problems);
    certificate->key = pem->key;
    pem->key = NULL;
    certificate->key_file = strdup(file);
    if (certificate->key_file == NULL)
        tls_tell_no_memory(problems);
    return certificate->key_file != NULL;
}

static bool read_key_file(struct tls_certificate *certificate, const char *file,
                          struct tls_problems *problems) {
    struct pem pem = {0};

    certificate->key_mark = file_mark_take(file);
    bool good = pem_read(file, &pem, problems) && adopt_key(certificate, &pem, file, problems);

    pem_free(&pem);
    return good;
}

/* In the certificate's own file, or beside it. */
static bool find_key(struct tls_certificate *certificate, struct pem *pem, const char *file,
                     struct tls_problems *problems) {
    char *beside, *first = key_file_beside(file, 0);
    bool good = false, found = pem->key != NULL || pem->encrypted;

    if (found)
        good = adopt_key(certificate, pem, file, problems);
    for (int i = 0; !found && (beside = key_file_beside(file, i)) != NULL; i++) {
        found = access(beside, F_OK) == 0;
        if (found)
            good = read_key_file(certificate, beside, problems);
        free(beside);
    }
    if (!found)
        tls_tell(
            problems, TLS_WRONG,
            "%s: its key is missing: there is none in the file, and none in %s beside it; name "
            "it with key = \"FILE\"",
            file, first != NULL ? first : "a file");
    free(first);
    return good;
}

static bool fits(const struct tls_certificate *certificate) {
    bool good = X509_check_private_key(certificate->leaf, certificate->key) == 1;

    ERR_clear_error();
    return good;
}

/* Whether the key fits one that stands later in the file. */
static bool fits_another(const struct tls_certificate *certificate) {
    for (int i = 0; i < sk_X509_num(certificate->chain); i++) {
        bool good =
            X509_check_private_key(sk_X509_value(certificate->chain, i), certificate->key) == 1;

        ERR_clear_error();
        if (good)
            return true;
    }
    return false;
}

static void check_key(const struct tls_certificate *certificate, struct tls_problems *problems) {
    if (fits(certificate))
        return;
    if (fits_another(certificate))
        tls_tell(problems, TLS_WRONG,
                 "%s: the certificates stand in the wrong order: the site's own must be the first, "
                 "then the one that signed it, and so on",
                 certificate->file);
    else
        tls_tell(
            problems, TLS_WRONG,
            "%s: the key in %s does not fit this certificate; take both from the same issue, or "
            "name the right file with key = \"FILE\"",
            certificate->file, certificate->key_file);
}

/* The first certificate of the file, and the rest. */
static bool take_chain(struct tls_certificate *certificate, struct pem *pem, const char *file,
                       struct tls_problems *problems) {
    certificate->file = strdup(file);
    if (certificate->file == NULL) {
        tls_tell_no_memory(problems);
        return false;
    }
    certificate->leaf = sk_X509_shift(pem->certificates);
    certificate->chain = pem->certificates;
    pem->certificates = NULL;
    if (certificate->leaf == NULL)
        tls_tell(problems, TLS_WRONG, "%s: there is no certificate in it", file);
    return certificate->leaf != NULL;
}

struct tls_certificate *tls_certificate_read(const char *file, const char *key_file,
                                             struct tls_problems *problems) {
    struct shared_certificate *shared = calloc(1, sizeof(*shared));
    struct pem pem = {0};
    bool failed_before = problems->failed;

    if (shared == NULL) {
        tls_tell_no_memory(problems);
        return NULL;
    }
    struct tls_certificate *certificate = &shared->certificate;
    atomic_init(&shared->references, 1);
    problems->failed = false;
    certificate->mark = certificate->key_mark = file_mark_take(file);
    if (pem_read(file, &pem, problems) && take_chain(certificate, &pem, file, problems) &&
        (key_file != NULL ? read_key_file(certificate, key_file, problems)
                          : find_key(certificate, &pem, file, problems))) {
        check_key(certificate, problems);
        if (!problems->failed)
            certificate_note_facts(certificate, problems);
    }
    pem_free(&pem);
    if (problems->failed) {
        tls_certificate_unref(certificate);
        return NULL;
    }
    problems->failed = failed_before;
    return certificate;
}
