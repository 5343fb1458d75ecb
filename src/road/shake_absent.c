/* Instead of shake.c in a build without TLS, where nothing has a tls section. */
#include "road/shake.h"

#include <errno.h>

enum end shake_client(struct job *job, usec_t deadline, const _Atomic bool *stop) {
    (void)job;
    (void)deadline;
    (void)stop;
    return END_CLIENT_HELLO;
}

int shake_server(struct job *job, struct tls_client *client, const char *host,
                 const struct shake_wait *wait) {
    (void)job;
    (void)client;
    (void)host;
    (void)wait;
    return -ENOTSUP;
}
