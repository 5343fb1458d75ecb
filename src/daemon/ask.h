/* relayd --reload PID: asks a running relayd for a reload and waits for its answer, so that `systemctl reload` knows
 * how it went. HUP is queued with a value that a plain kill(1) does not send, and answered by a signal. */
#ifndef DAEMON_ASK_H
#define DAEMON_ASK_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Returns the exit status, after a message if it is not EX_OK: EX_CONFIG if the new configuration was refused,
 * EX_UNAVAILABLE if there was no answer. The process has done nothing else. */
int ask_reload(pid_t pid);

/* In the daemon: answers whoever sent this HUP, if it waits for an answer. */
void ask_answer(const siginfo_t *hup, bool reloaded);

#endif
