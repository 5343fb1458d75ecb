/* The files with certificates that an operator's paths stand for. Any thread. */
#ifndef TLS_CERTIFICATE_PATHS_H
#define TLS_CERTIFICATE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "tls/problems.h"

struct certificate_path {
    char *path;
    size_t value; /* index of the operator's */
};

struct certificate_paths {
    struct certificate_path *list;
    size_t n, room;
};

/* A file stands for itself, a folder for the certificates in it, in the order of their names:
 * NAME.pem and NAME.crt, fullchain.pem of certbot, and that of each folder in it. Tells of a folder
 * without any. False: told; free in either case. Waits for the medium alone. */
bool certificate_paths_find(struct certificate_paths *ret, const char *const *paths, size_t n,
                            struct tls_problems *problems) MUST_USE;

void certificate_paths_free(struct certificate_paths *paths);

#endif
