#include "control/site.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "control/blocks.h"
#include "control/http.h"
#include "control/steer.h"
#include "listen/blocks.h"

#define NO_MEMORY_MSEC 1000
#define TICK_MSEC      1000
#define LAST_LOOK_MSEC 10
#define STUCK_MSEC     50
#define MAKE_ROOM      16u /* clients that may come before one that was put out has gone */
#define OF_A_SOCKET    3   /* descriptors: itself, its epoll, and what wakes that */

struct site {
    struct http_place place;
    struct MHD_Daemon *daemons[SITE_SOCKETS_MOST]; /* one for each socket, which it has */
    struct pollfd polls[SITE_SOCKETS_MOST];        /* what each waits for */
    size_t n;
    struct thread thread;
    atomic_bool stop;
};

size_t site_descriptors(size_t sockets, unsigned most) {
    return sockets * (OF_A_SOCKET + MAKE_ROOM) + most;
}

/* Of orders, to the log: about those whose time is over, and those that were refused. */
static bool owes_words(const struct site *site) {
    return !site->place.open && (blocks_any() || steer_owes_words());
}

/* How long nothing need be done unless somebody asks; -1: for ever. */
static int site_patience(const struct site *site) {
    MHD_UNSIGNED_LONG_LONG least = owes_words(site) ? TICK_MSEC : INT_MAX;

    if (!LIST_EMPTY(&site->place.streams))
        least = STREAM_LOOK_MSEC;
    if (!LIST_EMPTY(&site->place.waiters))
        least = WAITER_LOOK_MSEC;

    for (size_t i = 0; i < site->n; i++) {
        MHD_UNSIGNED_LONG_LONG wait;

        if (MHD_get_timeout(site->daemons[i], &wait) == MHD_YES && wait < least)
            least = wait;
    }
    return least < INT_MAX ? (int)least : -1;
}

static void run_site(struct site *site) {
    for (size_t i = 0; i < site->n; i++)
        if (MHD_run(site->daemons[i]) != MHD_YES)
            (void)usleep(NO_MEMORY_MSEC * USEC_PER_MSEC); /* no memory: a moment later, perhaps */
}

static unsigned count_clients(const struct site *site) {
    unsigned n = 0;

    for (size_t i = 0; i < site->n; i++) {
        const union MHD_DaemonInfo *info =
            MHD_get_daemon_info(site->daemons[i], MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

        n += info != NULL ? info->num_connections : 0;
    }
    return n;
}

/* Without descriptors it cannot accept who waits, and with no client there is none that could end
 * and give one back: its epoll is ready all the time. */
static void rest_if_stuck(const struct site *site, int ready, unsigned clients) {
    if (ready > 0 && clients == 0 && count_clients(site) == 0)
        (void)usleep(STUCK_MSEC * USEC_PER_MSEC);
}

static void serve_until_stop(void *arg) {
    struct site *site = arg;

    while (!atomic_load(&site->stop)) {
        if (owes_words(site)) {
            blocks_tell_over();
            steer_tell_refused(false);
        }
        int ready = poll(site->polls, (nfds_t)site->n, site_patience(site));
        unsigned clients = count_clients(site);
        stream_look(&site->place.streams);
        waiter_look(&site->place.waiters, false);
        run_site(site);
        rest_if_stuck(site, ready, clients);
    }
}

static void stop_daemons(struct site *site) {
    for (size_t i = 0; i < site->n; i++)
        MHD_stop_daemon(site->daemons[i]);
    site->n = 0;
}

/* Takes the socket over, also if it fails. Without a thread of its own. */
static bool start_daemon_on(struct site *site, int listening, unsigned most) {
    struct stat before = {0}, after;
    bool known = fstat(listening, &before) == 0;
    struct MHD_Daemon *daemon = http_start(listening, &site->place, most + MAKE_ROOM);
    const union MHD_DaemonInfo *info =
        daemon != NULL ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;

    if (daemon == NULL) {
        /* Some of its failures close it, others do not; the number may be another's by now. */
        if (known && fstat(listening, &after) == 0 && after.st_ino == before.st_ino)
            (void)close(listening);
        return false;
    }
    site->daemons[site->n] = daemon;
    site->polls[site->n++] =
        (struct pollfd){.fd = info != NULL ? info->epoll_fd : -1, .events = POLLIN};
    return info != NULL;
}

static void free_site(struct site *site) {
    hosts_free(&site->place.hosts);
    free(site);
}

struct site *site_start(const int *listening, size_t n, const struct site_wish *wish) {
    struct site *site = calloc(1, sizeof(*site));
    bool started = site != NULL;
    size_t i = 0;

    CHECK(n <= SITE_SOCKETS_MOST);
    if (started) {
        http_place_init(&site->place, wish->open, wish->most, &wish->hosts);
        vitals_init(&site->place.vitals, wish->relay, wish->since);
        for (; i < n && started; i++)
            started = start_daemon_on(site, listening[i], wish->most);
    }
    if (started && thread_start(&site->thread, wish->thread, NULL, serve_until_stop, site) == 0)
        return site;
    for (; i < n; i++)
        (void)close(listening[i]);
    if (site != NULL) {
        stop_daemons(site);
        free_site(site);
    }
    return NULL;
}

void site_show_clients(struct site *site, bool shown) {
    atomic_store(&site->place.clients, shown);
}

static void end_waits(struct site *site) {
    stream_end_all(&site->place.streams);
    waiter_look(&site->place.waiters, true);
}

void site_stop(struct site *site, usec_t patience) {
    usec_t until = clock_now() + patience;

    atomic_store(&site->stop, true);
    thread_interrupt_join(&site->thread);
    if (!site->place.open)
        steer_tell_refused(true);
    site->place.ending = true;
    end_waits(site);
    run_site(site);
    for (size_t i = 0; i < site->n; i++)
        fd_close(&(int){MHD_quiesce_daemon(site->daemons[i])});
    while (count_clients(site) > 0 && clock_now() < until) {
        (void)poll(site->polls, (nfds_t)site->n, LAST_LOOK_MSEC);
        run_site(site);
    }
    end_waits(site); /* MHD_stop_daemon aborts if one is suspended */
    stop_daemons(site);
    waiter_free_all(&site->place.waiters);
    free_site(site);
}
