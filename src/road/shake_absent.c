/* Instead of shake.c in a build without TLS, where nothing has a tls section. */
#include "road/shake.h"

#include <errno.h>

enum end shake_client(struct opening *opening) {
    (void)opening;
    return END_CLIENT_HELLO;
}

int shake_server(struct job *job, const struct upstream_tls_config *tls, const char *host,
                 const struct shake_wait *wait) {
    (void)job;
    (void)tls;
    (void)host;
    (void)wait;
    return -ENOTSUP;
}
