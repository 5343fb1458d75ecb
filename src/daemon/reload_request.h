/* relayd --reload PID: asks a running relayd for a reload and waits for its answer, for `systemctl
 * reload`.
 *
 * The question is a queued HUP whose value (sigqueue(3)) is a token; it is asked again until heard.
 * Answers are datagrams to an abstract unix socket (unix(7)) named by the token: a process number
 * means nothing in another PID namespace. Abstract names belong to a network namespace: an asker in
 * another goes there, or, without the right to, says at once that there will be no answer. */
#ifndef DAEMON_RELOAD_REQUEST_H
#define DAEMON_RELOAD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define RELOAD_TEXT_MAX 1024

/* The first byte of an answer. */
enum reload_word {
    RELOAD_HEARD = 'h',   /* do not ask again */
    RELOAD_DONE = 'y',    /* the last word */
    RELOAD_REFUSED = 'n', /* the same; the reason follows */
};

/* Half of a token is constant, which tells it from a plain kill(1). */
bool reload_request_is_token(uintptr_t token);

/* Where it is answered. Returns the address's size. */
socklen_t reload_request_address(uintptr_t token, struct sockaddr_un *ret_address);

/* Returns EX_OK; or, after a message, EX_CONFIG (refused) or EX_UNAVAILABLE (no answer). The
 * process has done nothing else. */
int reload_request_make(pid_t pid);

#endif
