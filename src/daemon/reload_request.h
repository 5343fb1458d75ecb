/* relayd --reload PID: asks a running relayd for a reload and waits for its answer, so that
 * `systemctl reload` knows how it went.
 *
 * The question is a queued HUP, whose value (sigqueue(3)) tells it from a plain kill(1) and is a
 * token; it may be asked again until it was heard. The answers are datagrams to an abstract unix
 * socket (unix(7)) with the token in its name: no process number is needed, which has no meaning in
 * another PID namespace. Abstract names belong to a network namespace: an asker in another one is
 * not answered, and says so. */
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
    RELOAD_HEARD = 'h',   /* the question has come, and is not to be asked again */
    RELOAD_DONE = 'y',    /* the last word */
    RELOAD_REFUSED = 'n', /* the same; the reason follows */
};

/* Half of a token is always the same. */
bool reload_request_is_token(uintptr_t token);

/* Where it is answered: fills in the address and returns its size. */
socklen_t reload_request_address(uintptr_t token, struct sockaddr_un *ret_address);

/* Returns the exit status, after a message if it is not EX_OK: EX_CONFIG if the new configuration
 * was refused, EX_UNAVAILABLE if there was no answer. The process has done nothing else. */
int reload_request_make(pid_t pid);

#endif
