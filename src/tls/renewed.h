/* An SSL_CTX that is made of files, and made anew when they change: what TLS towards clients and
 * TLS towards servers have in common. */
#ifndef TLS_RENEWED_H
#define TLS_RENEWED_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/sync.h"
#include "tls/certificates.h"
#include "tls/look.h"
#include "tls/mark.h"

#define RENEWED_FILES 3

/* How its owner makes it. */
struct renewed_ways {
    /* Reads all files and tells of each problem. former: the one before it, whose place it takes,
     * or NULL. With it, what cannot be read anew is as it was there: a certificate as
     * certificates_read has it, other files by their group. One reference, or NULL: told. */
    SSL_CTX *(*make)(const void *owner, const SSL_CTX *former, struct tls_problems *problems);
    /* Those of such an SSL_CTX, for as long as it is there. */
    const struct tls_certificates *(*certificates)(const SSL_CTX *ctx);
    /* Whether their files are those that were read. */
    bool (*is_current)(const void *owner, const struct tls_certificates *certificates);
};

/* One that is not of certificates. */
struct renewed_file {
    const char *option, *path; /* the owner's; a path of "" is none */
    int group;                 /* those of one group are taken together, or none of them */
    struct file_mark mark;
};

/* A zeroed one can be freed. */
struct renewed {
    const struct renewed_ways *ways;
    const void *owner;
    struct lock lock;
    SSL_CTX *ctx GUARDED;
    /* of whoever looks: */
    struct renewed_file files[RENEWED_FILES];
    size_t n_files;
    uint32_t wrong, told; /* a sum over what was wrong at the last look, and over what was told */
};

/* Before renewed_make: a file that is looked at. Both texts stay the owner's. Its problems are told
 * by this option, or another of its group. */
void renewed_watch(struct renewed *renewed, const char *option, const char *path, int group);

/* Makes it for the first time; nobody else has it yet. False: told. renewed_free in either case. */
bool renewed_make(struct renewed *renewed, const struct renewed_ways *ways, const void *owner,
                  struct tls_problems *problems) MUST_USE;

void renewed_free(struct renewed *renewed);

/* That of this moment, with a reference for the caller (SSL_CTX_free). Any thread. */
SSL_CTX *renewed_context(struct renewed *renewed) MUST_USE;

/* Calls fn for this one. Any thread, without a lock. */
void renewed_tell(const struct tls_certificate *one, tls_facts_fn *fn, void *arg);

/* Calls fn for each certificate of this moment. Any thread, without a lock. */
void renewed_visit(struct renewed *renewed, tls_facts_fn *fn, void *arg);

/* As tls_server_look and tls_client_look. */
enum tls_look renewed_look(struct renewed *renewed, const struct tls_look_calls *calls);

#endif
