#include "daemon/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stack.h"
#include "conn/leg_pool.h"
#include "control/control.h"
#include "control/public.h"
#include "daemon/cgroup.h"

/* What the process has besides connections: stdio, the log, dials under way and some for DNS. */
#define DESCRIPTORS_BASE 48
#define THREADS_BASE     8 /* main, log, resolver, reaper, and some to come */
#define MAPS_BASE        256
#define PIPES_MIN        16 /* that copy = auto can count on */
#define PIPE_PAGES       16 /* of a full pipe, pipe(7) */
/* refused clients that are waited for: each a descriptor and a pump pair */
#define REFUSED_MAX         256
#define ADDRESSES_OF_A_NAME 8           /* that are checked at a time; more of one name are rare */
#define MEMORY_BASE         (16 * 1024) /* KiB: without connections */
#define MEMORY_OF_A_CONN    64          /* KiB, while it is idle: relayd(8), SCALING */
#define UNLIMITED           CGROUP_UNLIMITED

/* One bound: how much there is, and how it is spent. */
struct bound {
    const char *what;   /* "descriptors" */
    const char *remedy; /* the setting to raise */
    int64_t have;
    int64_t base;        /* spent in any case */
    int64_t per_conn;    /* spent by each connection */
    int64_t per_refused; /* and by each refused client that still reads */
};

int64_t limits_raise_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return UNLIMITED;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t soft = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            limit.rlim_cur = soft;
    }
    return limit.rlim_cur < (rlim_t)INT_MAX ? (int64_t)limit.rlim_cur : INT_MAX;
}

/* RLIMIT_NPROC counts all of the user's threads; it does not bind root. */
static int64_t user_threads(void) {
    struct rlimit limit;

    if (geteuid() == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return UNLIMITED;
    return (int64_t)limit.rlim_cur;
}

static bool any_splice(const struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].copy == COPY_SPLICE)
            return true;
    return false;
}

/* Whether connections to servers may wait for other clients. */
static bool any_shares(const struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].mode == MODE_HTTP && config->listeners[i].reuse == REUSE_PROVEN)
            return true;
    return false;
}

/* Sockets of health checks that may be under way at a time. */
static int64_t check_sockets(const struct config *config) {
    int64_t n = 0;

    for (size_t i = 0; i < config->n_upstreams; i++)
        for (size_t k = 0;
             config->upstreams[i].health_check.given && k < config->upstreams[i].n_servers; k++)
            n += config->upstreams[i].servers[k].address.form == ADDR_LITERAL ? 1
                                                                              : ADDRESSES_OF_A_NAME;
    return n;
}

/* Threads that may wait for what comes before a dial. */
static int64_t count_openers(const struct config *config) {
    const struct global_config *global = &config->global;

    for (size_t i = 0; i < config->n_listeners; i++)
        if (listener_opens(&config->listeners[i]))
            return global->max_openings < global->max_connections ? global->max_openings
                                                                  : global->max_connections;
    return 0;
}

static int64_t conns_within(const struct bound *bound) {
    int64_t left = bound->have - bound->base;

    if (bound->have == UNLIMITED)
        return UNLIMITED;
    return left > 0 ? left / bound->per_conn : 0;
}

/* Warnings that a reload does not repeat. Main's alone. */
enum limit_warning { WARNS_OF_BOUNDS, WARNS_OF_HELD, WARNS_OF_PIPES, LIMIT_WARNINGS };

static char warned[LIMIT_WARNINGS][LOG_TEXT_MAX]; /* "": not, or it was mended since */

static void forget_warning(enum limit_warning which) {
    warned[which][0] = '\0';
}

static void PRINTF_LIKE(2, 3) warn_once(enum limit_warning which, const char *fmt, ...) {
    char text[LOG_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (strcmp(text, warned[which]) == 0)
        return;
    strcpy(warned[which], text);
    log_msg(MSG_LIMITS, "%s", text);
}

static void warn_of_bounds(const struct bound *bounds, size_t n, int64_t wanted, int64_t fit) {
    char text[LOG_TEXT_MAX];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < n && used + 80 < sizeof(text); i++) {
        const struct bound *b = &bounds[i];

        if (conns_within(b) >= wanted)
            continue;
        used += (size_t)snprintf(
            text + used, sizeof(text) - used, " There are %lld %s and %lld are needed: raise %s.",
            (long long)b->have, b->what, (long long)(b->base + b->per_conn * wanted), b->remedy);
    }
    warn_once(
        WARNS_OF_BOUNDS,
        "max_connections = %lld does not fit this system: %lld do, and no more are relayed at "
        "once. Lower it to %lld, or raise what is short.%s",
        (long long)wanted, (long long)fit, (long long)fit, text);
}

/* Beyond this many pages of one user's, the kernel makes new pipes two pages small (pipe(7),
 * pipe-user-pages-soft): such a pipe copies no faster than the buffer. root is not bound. */
static int64_t full_pipes(void) {
    int64_t pages = cgroup_number("/proc/sys/fs/pipe-user-pages-soft");

    return geteuid() == 0 || pages == UNLIMITED ? UNLIMITED : pages / PIPE_PAGES;
}

enum { N_BOUNDS = 7 };

static void list_bounds(const struct config *config, int64_t files, bool splice,
                        struct bound bounds[N_BOUNDS]) {
    int64_t workers = config->global.workers, sockets = 0;

    for (size_t i = 0; i < config->n_listeners; i++)
        sockets += 2 * (int64_t)config->listeners[i].n_address; /* a name may be of both families */
    int64_t legs = any_shares(config) ? LEG_POOL_MAX : 0;
    int64_t asked = (int64_t)(control_descriptors(config) + public_descriptors(config));
    int64_t files_base = DESCRIPTORS_BASE + sockets + workers + check_sockets(config) + asked +
                         legs + (splice ? 0 : 2 * PIPES_MIN);
    int64_t threads_base = THREADS_BASE + workers + sockets + count_openers(config);
    int64_t stacks = 2 * (int64_t)stack_mappings(); /* of a pair */
    struct cgroup_limits group = cgroup_limits(&cgroup_paths);
    int64_t memory = group.memory == UNLIMITED ? UNLIMITED : group.memory / 1024;
    const struct bound list[N_BOUNDS] = {
        {"descriptors", "LimitNOFILE of the unit", files, files_base, splice ? 6 : 2, 1},
        {"threads for this user", "LimitNPROC of the unit", user_threads(), threads_base, 2, 2},
        {"threads in this service", "TasksMax of the unit", group.pids, threads_base, 2, 2},
        {"KiB of memory for this service", "MemoryHigh and MemoryMax of the unit", memory,
         MEMORY_BASE, MEMORY_OF_A_CONN, MEMORY_OF_A_CONN},
        {"threads on this machine", "the sysctl kernel.threads-max",
         cgroup_number("/proc/sys/kernel/threads-max"), threads_base, 2, 2},
        {"process numbers on this machine", "the sysctl kernel.pid_max",
         cgroup_number("/proc/sys/kernel/pid_max"), threads_base, 2, 2},
        {"memory mappings", "the sysctl vm.max_map_count",
         cgroup_number("/proc/sys/vm/max_map_count"), MAPS_BASE + 2 * threads_base, stacks, stacks},
    };
    memcpy(bounds, list, sizeof(list));
}

static int64_t fits_all(const struct bound bounds[N_BOUNDS], int64_t wanted) {
    int64_t fit = wanted;

    for (size_t i = 0; i < N_BOUNDS; i++)
        fit = conns_within(&bounds[i]) < fit ? conns_within(&bounds[i]) : fit;
    return fit > 0 ? fit : 1;
}

/* Each connection is to be held, or will be once there is a keeper. */
static bool keeper_serves(const struct link *link) {
    return link != NULL && link_serves(link);
}

/* The keeper holds fewer than may come, or their pipes would be small ones. */
static void warn_of_keeper(int64_t fit, const struct link *link) {
    bool serves = keeper_serves(link);
    int64_t full = full_pipes() / 2;

    if (serves && (int64_t)link->table->n < fit)
        warn_once(
            WARNS_OF_HELD,
            "relayd-keeper holds up to %zu of %lld connections; the others would not outlive "
            "relayd. If max_connections was raised, restart relayd, which drops none of them; else "
            "raise LimitNOFILE of relayd-keeper.service, 6 for each connection.",
            link->table->n, (long long)fit);
    else
        forget_warning(WARNS_OF_HELD);
    if (serves && full < fit)
        warn_once(WARNS_OF_PIPES,
                  "From connection %lld on, pipes hold 8 KiB only, which makes bulk transfers "
                  "slower: raise the sysctl fs.pipe-user-pages-soft to %lld.",
                  (long long)full + 1, (long long)fit * 2 * PIPE_PAGES);
    else
        forget_warning(WARNS_OF_PIPES);
}

struct relay_limits limits_for(const struct config *config, const struct link *link) {
    bool splice = keeper_serves(link) || any_splice(config),
         waits = link != NULL && !keeper_serves(link);
    int64_t wanted = config->global.max_connections, files = limits_raise_descriptors();
    struct bound bounds[N_BOUNDS];

    list_bounds(config, files, splice, bounds);
    int64_t refused = fits_all(bounds, wanted) / 8 + 1;
    refused = refused < REFUSED_MAX ? refused : REFUSED_MAX;
    for (size_t i = 0; i < N_BOUNDS; i++)
        bounds[i].base += bounds[i].per_refused * refused;
    int64_t fit = fits_all(bounds, wanted);
    if (fit == wanted)
        forget_warning(WARNS_OF_BOUNDS);
    else if (!config->from_arguments)
        warn_of_bounds(bounds, N_BOUNDS, wanted, fit);
    warn_of_keeper(fit, link);
    int64_t left = files - bounds[0].base - 2 * fit;
    if (waits && left < 4 * fit)
        left /= 2; /* the other half is for those that a keeper will hold, if one comes */
    int64_t pipes = left / 2 + PIPES_MIN;
    if (!splice && full_pipes() < pipes)
        pipes = full_pipes();
    return (struct relay_limits){.max_connections = (size_t)fit,
                                 .max_refused = (size_t)refused,
                                 .max_held = (size_t)(left > 4 ? left / 4 : 1),
                                 .max_pipes = (size_t)(pipes > 1 ? pipes : 1)};
}
