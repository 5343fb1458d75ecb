#include "daemon/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"

#define ASKS          0x72656c64 /* the value of the queued HUP: somebody waits for the answer */
#define SAYS_RELOADED SIGUSR1
#define SAYS_REFUSED  SIGUSR2
#define PATIENCE                                                                                   \
    (80 * USEC_PER_SEC) /* below systemd's DefaultTimeoutStartSec, which also bounds a reload */

static int fail(pid_t pid, const char *what) {
    fprintf(stderr, "relayd: process %ld %s.\n", (long)pid, what);
    return EX_UNAVAILABLE;
}

int ask_reload(pid_t pid) {
    usec_t deadline = clock_now() + PATIENCE;
    union sigval value = {.sival_int = ASKS};
    sigset_t answers;
    siginfo_t info;

    sigemptyset(&answers);
    sigaddset(&answers, SAYS_RELOADED);
    sigaddset(&answers, SAYS_REFUSED);
    sigprocmask(SIG_BLOCK, &answers, NULL);
    if (sigqueue(pid, SIGHUP, value) < 0)
        return fail(pid, errno == ESRCH ? "does not exist" : "may not be asked for a reload");
    for (;;) {
        usec_t now = clock_now();
        struct timespec left = clock_timespec(deadline > now ? deadline - now : 0);
        int signal = sigtimedwait(&answers, &info, &left);

        if (signal < 0 && errno == EAGAIN)
            return fail(pid, "did not answer; is it relayd, and does it run?");
        if (signal < 0 || info.si_pid != pid)
            continue;
        if (signal == SAYS_RELOADED)
            return EX_OK;
        fprintf(stderr,
                "relayd: the new configuration was refused, and the old one stays in force; "
                "the log says why (journalctl -u relayd), and so does relayd --check.\n");
        return EX_CONFIG;
    }
}

void ask_answer(const siginfo_t *hup, bool reloaded) {
    if (hup->si_code == SI_QUEUE && hup->si_value.sival_int == ASKS)
        (void)kill(hup->si_pid, reloaded ? SAYS_RELOADED : SAYS_REFUSED);
}
