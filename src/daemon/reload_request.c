#include "daemon/reload_request.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define HALF          (sizeof(uintptr_t) * 4) /* bits */
#define LOWER         (((uintptr_t)1 << HALF) - 1)
#define ASKS          ((uintptr_t)0x72656c64 & LOWER)
#define SAID_RELOADED SIGUSR1
#define SAID_REFUSED  SIGUSR2
#define PATIENCE                                                                                   \
    (80 * USEC_PER_SEC) /* below systemd's DefaultTimeoutStartSec, which also bounds a reload */
#define HEARING   (15 * USEC_PER_SEC) /* it may be busy with something, but not for so long */
#define ASK_AGAIN USEC_PER_SEC        /* a HUP that comes while another one waits is lost */

bool reload_request_is_token(uintptr_t token) {
    return (token & LOWER) == ASKS && token >> HALF != 0;
}

socklen_t reload_request_address(uintptr_t token, struct sockaddr_un *ret_address) {
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret_address->sun_path + 1, sizeof(ret_address->sun_path) - 1,
                     "relayd-reload-%llx", (unsigned long long)token);

    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int fail_to_ask(pid_t pid, const char *what) {
    fprintf(stderr, "relayd: process %ld %s.\n", (long)pid, what);
    return EX_UNAVAILABLE;
}

/* The name of a process, or "". */
static void read_process_name(const char *pid, char name[32]) {
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

/* Whether a process is known to have another name than this one: such a program would die of a HUP.
 * In a sandbox that hides processes (ProtectProc=, PrivateUsers=) nothing is known, and the number
 * comes from systemd. */
static bool is_another(pid_t pid) {
    char number[16], other[32], own[32];

    snprintf(number, sizeof(number), "%ld", (long)pid);
    read_process_name(number, other);
    read_process_name("self", own);
    return other[0] != '\0' && own[0] != '\0' && strcmp(other, own) != 0;
}

/* An answer is believed from this process's own user and from root: root becomes the user of the
 * daemon. Others are it already, or may not ask. */
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

/* Whether it is known to be in another network namespace. Each has files of its own below
 * /proc/PID/net (proc_pid_net(5)), at which everybody may look; ns/net is kept from others than
 * root once a process has keys in memory (PR_SET_DUMPABLE). */
static bool is_elsewhere(pid_t pid) {
    char path[64];
    struct stat own, other;

    snprintf(path, sizeof(path), "/proc/%ld/net/unix", (long)pid);
    return stat("/proc/self/net/unix", &own) == 0 && stat(path, &other) == 0 &&
           (own.st_dev != other.st_dev || own.st_ino != other.st_ino);
}

/* Goes there, as root may, so that it can be answered. */
static bool join_network_of(pid_t pid) {
    char path[64];

    snprintf(path, sizeof(path), "/proc/%ld/ns/net", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool joined = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
    fd_close(&fd);
    return joined;
}

/* Makes a token and the socket at which it is answered: the socket, or -1. */
static int open_ear(uintptr_t *ret_token) {
    struct sockaddr_un at;
    uintptr_t token = 0;
    int on = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    while (fd >= 0 && !reload_request_is_token(token)) {
        if (getrandom(&token, sizeof(token), 0) != sizeof(token))
            fd_close(&fd);
        token = (token & ~LOWER) | ASKS;
    }
    socklen_t size = reload_request_address(token, &at);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
                    bind(fd, (struct sockaddr *)&at, size) < 0))
        fd_close(&fd);
    *ret_token = token;
    return fd;
}

/* One that is there: its first byte, and the rest in text. 0: there is none, or not from whom it
 * should be. */
static char take_word(int fd, char text[RELOAD_TEXT_MAX]) {
    char word = 0;
    struct iovec parts[2] = {{.iov_base = &word, .iov_len = 1},
                             {.iov_base = text, .iov_len = RELOAD_TEXT_MAX - 1}};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct ucred sender = {.uid = (uid_t)-1};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

    if (n <= 0)
        return 0;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
        memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    if (sender.uid != 0 && sender.uid != geteuid())
        return 0;
    text[n - 1] = '\0';
    return word;
}

/* What a relayd says that does not yet know of these answers. */
static char take_signal(const sigset_t *signals, pid_t pid) {
    static const struct timespec at_once = {0};
    siginfo_t info;
    int signal = sigtimedwait(signals, &info, &at_once);

    if (signal < 0 || info.si_pid != pid)
        return 0;
    return signal == SAID_RELOADED ? RELOAD_DONE : RELOAD_REFUSED;
}

static int report_refusal(const char *why) {
    fprintf(stderr,
            "relayd: the new configuration was refused, and the old one stays in force: %s The log "
            "says more (journalctl -u relayd), and so does relayd --check.\n",
            why);
    return EX_CONFIG;
}

/* Sends the question, or (heard) looks whether it can still be answered. NULL, or why not. */
static const char *send_question(pid_t pid, uintptr_t token, bool heard) {
    union sigval value = {.sival_ptr = (void *)token};

    if (kill(pid, 0) < 0)
        return errno == ESRCH ? "does not exist" : "may not be asked for a reload";
    if (is_another(pid))
        return "is not relayd";
    return !heard && sigqueue(pid, SIGHUP, value) < 0 ? "may not be asked for a reload" : NULL;
}

/* To one that cannot answer. */
static int ask_in_vain(pid_t pid, uintptr_t token) {
    const char *why = send_question(pid, token, false);

    return fail_to_ask(pid, why != NULL
                                ? why
                                : "was asked for a reload, but is in another network namespace and "
                                  "cannot answer; see its log");
}

/* Asks until it was heard, and waits for the last word. */
static int talk_to_daemon(pid_t pid, int fd, uintptr_t token) {
    usec_t began = clock_now();
    char text[RELOAD_TEXT_MAX] = "";
    bool heard = false;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SAID_RELOADED);
    sigaddset(&signals, SAID_REFUSED);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    for (usec_t next = began;;) {
        usec_t now = clock_now();

        if (now >= began + (heard ? PATIENCE : HEARING))
            return fail_to_ask(
                pid, heard ? "has begun to reload and did not say how it went; see its log"
                           : "did not answer; is it relayd, and does it run?");
        if (now >= next) {
            const char *why = send_question(pid, token, heard);

            if (why != NULL)
                return fail_to_ask(pid, why);
            next = now + ASK_AGAIN;
        }
        struct pollfd ear = {.fd = fd, .events = POLLIN};
        (void)poll(&ear, 1, (int)((next - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
        char word = take_word(fd, text);
        if (word == 0)
            word = take_signal(&signals, pid);
        if (word == RELOAD_DONE)
            return EX_OK;
        if (word == RELOAD_REFUSED)
            return report_refusal(text);
        heard = heard || word == RELOAD_HEARD;
    }
}

int reload_request_make(pid_t pid) {
    bool elsewhere = is_elsewhere(pid) && !join_network_of(pid); /* while it may */
    uintptr_t token;

    become_user_of(pid);
    int fd = open_ear(&token);
    if (fd < 0) {
        fprintf(stderr, "relayd: no socket to be answered at: %s.\n", strerrordesc_np(errno));
        return EX_OSERR;
    }
    int status = elsewhere ? ask_in_vain(pid, token) : talk_to_daemon(pid, fd, token);
    fd_close(&fd);
    return status;
}
