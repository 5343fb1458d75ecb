/* What is told of certificates, and of files that change while they are in use. */
#ifndef TLS_LOOK_H
#define TLS_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "tls/problems.h"

/* What is worth knowing of a certificate, for as long as the callback lasts. */
struct tls_facts {
    const char *file, *key_file;
    const char *const *names;
    size_t n_names;
    const char *subject, *issuer, *serial; /* for people; for people; in hexadecimal */
    const char *key;                       /* "ecdsa 256" */
    int64_t not_before, not_after;         /* seconds since 1970 */
    const uint8_t *fingerprint;            /* SHA-256, 32 bytes */
};

typedef void tls_facts_fn(void *arg, const struct tls_facts *facts);

/* "www.example, example and 4 more"; without names, as clients', whose it is. Returns buf. */
const char *tls_facts_say_names(const struct tls_facts *facts, char *buf, size_t size);

enum tls_look {
    TLS_LOOK_SAME,  /* no file has changed */
    TLS_LOOK_TAKEN, /* what was new is in force */
    TLS_LOOK_WAITS  /* files have changed, and do not fit together yet */
};

/* Who hears what a look finds. All are needed. */
struct tls_look_calls {
    tls_facts_fn *on_fresh; /* of each certificate that is new and in force */
    /* of each other file that is new and in force, by its option: "ca" */
    void (*on_file)(void *arg, const char *option, const char *path);
    /* of what is wrong once, if it was the same at the look before: a file may be half written */
    tls_problem_fn *on_problem;
    void *arg;
};

#endif
