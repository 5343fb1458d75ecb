/* The sockets that systemd passed at the start (sd_listen_fds_with_names(3)). */
#ifndef DAEMON_PASSED_H
#define DAEMON_PASSED_H

#include "listen/listen_socket.h"

struct passed {
    struct passed_socket *list;
    size_t n;
    char **names; /* as libsystemd gave them */
};

/* 0 or -errno. Once, before any thread. */
int passed_take(struct passed *ret_passed) MUST_USE;

/* Closes and logs those that no listener took: their clients would wait for ever. */
void passed_drop_unused(struct passed *passed);

void passed_free(struct passed *passed);

#endif
