/* relayd-keeper: its socket, and the loop. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/secrets.h"
#include "base/socket_file.h"
#include "base/thread.h"
#include "keeper/keeper.h"
#include "keeper/trust.h"
#include "version.h"

#define BACKLOG          16
#define DESCRIPTORS_BASE 32 /* stdio, the log, both sockets, and what a message brings */
#define SLOTS_MAX        1000000
#define STOP_PATIENCE    (2 * USEC_PER_SEC)    /* with a relayd that is on its way */
#define STOP_GRACE       (500 * USEC_PER_MSEC) /* for one that may be about to leave */
#define QUOTE(text)      #text
#define QUOTED(macro)    QUOTE(macro)

/* Packages look for it in this program's file (packaging/debian/relayd.postinst). */
static const char version[] =
    "relayd-keeper " RELAYD_VERSION ", protocol " QUOTED(KEEPER_VERSION) "\n";

static const char usage[] =
    "relayd-keeper holds the connections of relayd while that restarts.\n\n"
    "usage: relayd-keeper [--socket PATH]\n\n"
    "      --socket PATH        listen there, and not on the socket that systemd passes\n"
    "  -V, --version            print the version and exit\n"
    "  -h, --help               print this help and exit\n"
    "\nIt stays in the foreground. See relayd-keeper(8).\n";

/* Nobody but this user can connect at any moment. Of two keepers that start at once, the lock lets
 * one find the other. */
static int bind_at(const struct addr *at) {
    const struct socket_access own = {.mode = 0600, .uid = SOCKET_FILE_OWN, .gid = SOCKET_FILE_OWN};
    char copy[sizeof(at->u.un.sun_path)];
    int lock = open(dirname(strcpy(copy, at->u.un.sun_path)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct socket_file file;
    int fd = -1, r = lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;

    if (r == 0) {
        socket_file_remove_stale(at, SOCK_SEQPACKET);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        r = fd < 0 ? -errno : socket_file_bind(fd, at, &own, &file);
    }
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    fd_close(&lock);
    if (r < 0)
        fd_close(&fd);
    return r < 0 ? r : fd;
}

/* The socket, or -1: it was logged why there is none. */
static int listen_at(const char *path) {
    struct addr at = {.len = sizeof(at.u.un), .u.un.sun_family = AF_UNIX};
    size_t room = sizeof(at.u.un.sun_path);
    char why[TRUST_WHY_MAX] = "";
    bool trusted = false, fits = snprintf(at.u.un.sun_path, room, "%s", path) < (int)room;
    int r = fits ? trust_place(path, &trusted, why) : -ENAMETOOLONG;

    if (r == 0 && trusted)
        r = bind_at(&at);
    if (r >= 0 && trusted)
        return r;
    log_msg(MSG_START_FAILED, "relayd-keeper cannot listen on %s: %s.", path,
            r < 0 ? strerrordesc_np(-r) : why);
    return -1;
}

static size_t slots_that_fit(void) {
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    size_t base = DESCRIPTORS_BASE + KEEPER_CONNECTIONS;
    size_t fit = limit.rlim_cur > base ? (limit.rlim_cur - base) / KEEPER_FDS : 0;
    return KEEPER_CONNECTIONS + (fit < SLOTS_MAX ? fit : SLOTS_MAX);
}

static volatile sig_atomic_t told_to_stop;

static void on_stop(int number) {
    (void)number;
    told_to_stop = 1;
}

/* Signals come only while it waits (ppoll(2)). */
static void catch_stop(void) {
    struct sigaction action = {.sa_handler = on_stop};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

/* What nobody else has is not dropped while somebody may come for it: relayd may be restarting. A
 * relayd that is attached gives everything to the next keeper. */
static bool is_to_stop(struct keeper *keeper, usec_t *since) {
    usec_t patience = keeper->gone != 0 ? STOP_PATIENCE : keeper->attached ? STOP_GRACE : 0;

    if (told_to_stop && *since == 0)
        *since = clock_now();
    if (told_to_stop)
        keeper->beat = STOP_GRACE / 10;
    return told_to_stop && clock_now() >= *since + patience;
}

static int run_keeper(int socket) {
    struct keeper keeper;
    int r = keeper_init(&keeper, socket, slots_that_fit());
    uint64_t watchdog = 0;
    usec_t fed = 0, since = 0;

    if (r == 0) {
        catch_stop();
        log_msg(MSG_KEEPER_READY, "Ready to hold %zu connections of relayd.",
                keeper.most - KEEPER_CONNECTIONS);
        (void)sd_notify(0, "READY=1");
    }
    if (sd_watchdog_enabled(0, &watchdog) > 0)
        keeper.beat = (usec_t)watchdog / 2; /* sd_watchdog_enabled(3) advises half */
    while (r == 0 && !is_to_stop(&keeper, &since)) {
        r = keeper_step(&keeper);
        if (watchdog > 0 && clock_now() - fed >= keeper.beat / 2) {
            (void)sd_notify(0, "WATCHDOG=1");
            fed = clock_now();
        }
    }
    if (r == 0)
        keeper_free(&keeper);
    else
        log_msg(MSG_START_FAILED, "relayd-keeper cannot go on: %s.", strerrordesc_np(-r));
    return r == 0 ? EX_OK : EX_OSERR;
}

/* The memory that it will be given has keys in it: nobody but root opens it by way of this process,
 * and it makes no core. */
static void keep_to_itself(void) {
    const struct rlimit none = {0, 0};

    secrets_keep();
    (void)setrlimit(RLIMIT_CORE, &none);
}

static int print(const char *text) {
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
}

int main(int argc, char **argv) {
    const char *option = argc > 1 ? argv[1] : "";
    int fd = SD_LISTEN_FDS_START;

    if (argc == 2 && (strcmp(option, "-V") == 0 || strcmp(option, "--version") == 0))
        return print(version);
    if (argc == 2 && (strcmp(option, "-h") == 0 || strcmp(option, "--help") == 0))
        return print(usage);
    if (argc != 1 && (argc != 3 || strcmp(option, "--socket") != 0)) {
        fputs("relayd-keeper: wrong arguments; see relayd-keeper --help\n", stderr);
        return EX_USAGE;
    }
    keep_to_itself();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN); /* pkill -HUP relayd finds this process, too */
    thread_lighten(); /* relayd does not wait for it, so it need not interrupt others */
    if (argc == 3) {
        fd = listen_at(argv[2]);
        return fd >= 0 ? run_keeper(fd) : EX_UNAVAILABLE;
    }
    if (sd_listen_fds(1) == 1 && sd_is_socket(fd, AF_UNIX, SOCK_SEQPACKET, 1) > 0)
        return run_keeper(fd);
    log_msg(MSG_START_FAILED,
            "systemd passed relayd-keeper no socket: start relayd-keeper.socket, or "
            "give --socket PATH.");
    return EX_UNAVAILABLE;
}
