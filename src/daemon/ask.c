#include "daemon/ask.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"

#define ASKS          0x72656c64 /* the value of the queued HUP: somebody waits for the answer */
#define SAYS_RELOADED SIGUSR1
#define SAYS_REFUSED  SIGUSR2
#define PATIENCE                                                                                   \
    (80 * USEC_PER_SEC) /* below systemd's DefaultTimeoutStartSec, which also bounds a reload */
#define ASK_AGAIN USEC_PER_SEC /* a HUP that comes while another one waits is lost */

static int fail(pid_t pid, const char *what) {
    fprintf(stderr, "relayd: process %ld %s.\n", (long)pid, what);
    return EX_UNAVAILABLE;
}

/* The name of a process, or "". */
static void read_name(const char *pid, char name[32]) {
    char path[64];

    name[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(name, 32, file) == NULL)
        name[0] = '\0';
    fclose(file);
}

/* Whether a process is known to have another name than this one: such a program would die of a HUP. In a sandbox that
 * hides processes (ProtectProc=, PrivateUsers=) nothing is known, and the number comes from systemd. */
static bool is_another(pid_t pid) {
    char number[16], other[32], own[32];

    snprintf(number, sizeof(number), "%ld", (long)pid);
    read_name(number, other);
    read_name("self", own);
    return other[0] != '\0' && own[0] != '\0' && strcmp(other, own) != 0;
}

/* The answer is a signal, which the daemon may send only to a process of its own user: root becomes that user. Others
 * are it already, or may not ask. */
static void become_user_of(pid_t pid) {
    char path[32];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    if (geteuid() != 0 || stat(path, &st) < 0 || st.st_uid == 0)
        return;
    if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        fprintf(stderr, "relayd: cannot become the user of process %ld: %s.\n", (long)pid,
                strerrordesc_np(errno));
}

/* Sends the question. NULL, or why not. */
static const char *ask(pid_t pid) {
    union sigval value = {.sival_int = ASKS};

    if (kill(pid, 0) < 0)
        return errno == ESRCH ? "does not exist" : "may not be asked for a reload";
    if (is_another(pid))
        return "is not relayd";
    return sigqueue(pid, SIGHUP, value) < 0 ? "may not be asked for a reload" : NULL;
}

int ask_reload(pid_t pid) {
    usec_t deadline = clock_now() + PATIENCE;
    sigset_t answers;
    siginfo_t info;

    sigemptyset(&answers);
    sigaddset(&answers, SAYS_RELOADED);
    sigaddset(&answers, SAYS_REFUSED);
    sigprocmask(SIG_BLOCK, &answers, NULL);
    become_user_of(pid);
    for (usec_t next = clock_now();;) {
        usec_t now = clock_now();

        if (now >= deadline)
            return fail(pid, "did not answer; is it relayd, and does it run?");
        if (now >= next) {
            const char *why = ask(pid);

            if (why != NULL)
                return fail(pid, why);
            next = now + ASK_AGAIN;
        }
        struct timespec left = clock_timespec(next - now);
        int signal = sigtimedwait(&answers, &info, &left);
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
    /* 0: it is in another PID namespace, and cannot be answered; kill(2) would take that for the whole process group. */
    if (hup->si_pid > 0 && hup->si_code == SI_QUEUE && hup->si_value.sival_int == ASKS)
        (void)kill(hup->si_pid, reloaded ? SAYS_RELOADED : SAYS_REFUSED);
}
