#include "relay/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "relay/link_say.h"

#define TICK  USEC_PER_SEC /* how soon what could not be said is said again, at the latest */
#define AGAIN (250 * USEC_PER_MSEC) /* between attempts to find a new keeper */
#define ROOM                                                                                       \
    (1 << 20) /* bytes of messages that may be on their way, as far as net.core.wmem_max allows */
#define BATCH    64
#define PATIENCE (2 * USEC_PER_SEC) /* with a keeper that was asked for a sign of life */

bool link_is_up(const struct link *link) {
    return atomic_load(&link->epoch) != 0;
}

void link_set_timeout(struct link *link, usec_t keeper_timeout) {
    struct keeper_message message = keeper_message(KEEPER_PATIENCE);

    message.head.usec = keeper_timeout;
    if (atomic_exchange(&link->keeper_timeout, keeper_timeout) != keeper_timeout &&
        link_is_up(link))
        (void)keeper_send(link->fd, &message, 0);
}

/* Holds the connections that the keeper of this epoch has not. */
static void hold_missing(struct link *link) {
    unsigned epoch = atomic_load(&link->epoch);
    struct conn *batch[BATCH];
    size_t n;
    int r = 0;

    while (r == 0 && (n = registry_unheld(link->registry, epoch, batch, BATCH)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = link_try_hold(link, batch[i], 0);
            conn_unref(batch[i]);
        }
    }
}

static void say_stalled(struct link *link) {
    if (!link->said)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s stands still: connections go on, and the new ones may not "
                "outlive relayd. See systemctl status relayd-keeper.",
                link->path);
    link->said = true;
}

/* Says what could not be said. Nothing is missing any more if the keeper has read all of it, which it is asked. */
static void catch_up(struct link *link) {
    atomic_store(&link->missed, false);
    link_tell_listeners(link, false);
    link_say_unsaid(link, 0);
    hold_missing(link);
    if (atomic_load(&link->missed))
        say_stalled(link);
}

/* Bytes that the keeper has not read (unix(7), SIOCOUTQ). */
static bool is_behind(const struct link *link) {
    int unread = 0;

    return ioctl(link->fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

/* Asks for a sign of life, if the keeper is behind, or if it is to be told that it is back. */
static void ping(struct link *link) {
    struct keeper_message message = keeper_message(KEEPER_PING);
    usec_t now = clock_now();

    if (link->pinged != 0) {
        if (now - link->pinged > PATIENCE)
            say_stalled(link);
    } else if ((is_behind(link) || link->said) &&
               keeper_send(link->fd, &message, MSG_DONTWAIT) == 0) {
        link->pinged = now;
    }
}

static void take_pong(struct link *link) {
    link->pinged = 0;
    if (link->said && !atomic_load(&link->missed)) {
        log_msg(MSG_KEEPER_BACK, "relayd-keeper at %s holds all connections again.", link->path);
        link->said = false;
    }
}

static void say_crowded(struct link *link) {
    link->said_crowded = true;
    log_msg(
        MSG_KEEPER_TROUBLE,
        "There are more connections than relayd-keeper at %s can hold (%zu), or descriptors for "
        "their pipes: those beyond would not outlive relayd. Raise LimitNOFILE of both units, 6 "
        "for each connection.",
        link->path, link->table->n);
}

static void take_lost(struct link *link, const struct keeper_message *message) {
    static const char why[] =
        "raise LimitNOFILE of relayd-keeper.service, or lower max_connections";

    if (message->head.index < KEEPER_CONNECTIONS)
        return;
    uint32_t slot = message->head.index - KEEPER_CONNECTIONS;
    unsigned epoch = atomic_load(&link->epoch);
    bool full = message->head.count == epoch;

    /* Or it was held without its pipes, for the keeper before: once more, then. */
    if (!full)
        atomic_store(&link->missed, true);
    bool found = registry_lose(link->registry, slot, full ? epoch : 0);
    if (slot < link->table->n)
        atomic_store(&link->table->slots[slot].pipes_held, 0);
    if (found && full && !link->said_lost)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s is out of descriptors: connections go on that would not "
                "outlive relayd; %s.",
                link->path, why);
    link->said_lost = true;
}

/* Or until the stop interrupts it. */
static void pause_before_next(void) {
    struct timespec pause = clock_timespec(AGAIN);

    (void)nanosleep(&pause, NULL);
}

/* Where both are stopped, this process hears of its own stop meanwhile. */
static void lose_keeper(struct link *link) {
    atomic_store(&link->epoch, 0);
    link_forget_unsaid(link);
    pause_before_next();
    if (link->said || atomic_load(&link->ends) || atomic_load(&link->stop))
        return;
    log_msg(MSG_KEEPER_TROUBLE,
            "relayd-keeper at %s is gone: connections go on, and would not outlive relayd. See "
            "systemctl status relayd-keeper.",
            link->path);
    link->said = true;
}

static void prepare(int fd) {
    struct timeval tick = clock_timeval(TICK);
    int room = ROOM;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* dup3 by number: the thread sanitizer would take it for a race with whoever sends (same_number). */
static void find_keeper(struct link *link) {
    struct heritage nothing;
    int fd = -1;

    if (link_attach(link->path, atomic_load(&link->keeper_timeout), true, &fd, &nothing) !=
        LINK_OK) {
        pause_before_next();
        return;
    }
    heritage_free(&nothing);
    prepare(fd);
    bool done = link_say_fd(fd, KEEPER_TABLE, link->table->fd, 0) == 0 &&
                syscall(SYS_dup3, fd, link->fd, O_CLOEXEC) >= 0;
    fd_close(&fd);
    if (!done) {
        pause_before_next();
        return;
    }
    link->pinged = 0;
    link->said_lost = false;
    atomic_store(&link->epoch, ++link->epochs);
    link_tell_listeners(link, true);
    link->said = true; /* its sign of life will be said */
    atomic_store(&link->missed, true);
}

static void listen_to_keeper(struct link *link) {
    struct keeper_message message;
    int r = keeper_receive(link->fd, &message);

    if (r > 0) {
        if (message.head.type == KEEPER_LOST)
            take_lost(link, &message);
        else if (message.head.type == KEEPER_PONG)
            take_pong(link);
        keeper_message_drop(&message);
    } else if (r != -EAGAIN && r != -EINTR) {
        lose_keeper(link);
    }
}

static void link_thread(void *arg) {
    struct link *link = arg;

    while (!atomic_load(&link->stop)) {
        if (link_is_up(link))
            listen_to_keeper(link);
        else if (atomic_load(&link->ends))
            pause_before_next();
        else
            find_keeper(link);
        if (atomic_load(&link->crowded) && !link->said_crowded)
            say_crowded(link);
        if (!link_is_up(link))
            continue;
        if (atomic_load(&link->missed))
            catch_up(link);
        else
            link_say_unsaid(link, 0);
        ping(link);
    }
}

/* Its life */

int link_init(struct link *link, const char *path, int *fd, struct table *table, bool fresh_table,
              struct registry *registry, usec_t keeper_timeout) UNCHECKED {
    *link = (struct link){.fd = -1, .table = table, .registry = registry, .epochs = 1};
    prepare(*fd);
    int r = fresh_table ? link_say_fd(*fd, KEEPER_TABLE, table->fd, 0) : 0;
    if (r < 0)
        return r;
    strncpy(link->path, path, sizeof(link->path) - 1);
    link->unsaid = calloc(table->n + 1, sizeof(*link->unsaid));
    if (link->unsaid == NULL)
        return -ENOMEM;
    memset(link->listeners, 0xff, sizeof(link->listeners)); /* -1 everywhere */
    lock_init(&link->lock, RANK_LEAF);
    lock_init(&link->listeners_lock, RANK_OUTER);
    atomic_init(&link->keeper_timeout, keeper_timeout);
    atomic_init(&link->epoch, 1);
    link->fd = fd_take(fd);
    return 0;
}

int link_start(struct link *link) {
    struct keeper_message ping = keeper_message(KEEPER_PING);

    (void)keeper_send(link->fd, &ping,
                      MSG_DONTWAIT); /* it hears that this relayd has come further than to attach */
    return thread_start(&link->thread, "keeper", NULL, link_thread, link);
}

void link_let_end(struct link *link) {
    atomic_store(&link->ends, true);
}

void link_stop(struct link *link, bool forget) {
    struct keeper_message message = keeper_message(KEEPER_FORGET);

    atomic_store(&link->stop, true);
    thread_interrupt_join(&link->thread);
    if (!link_is_up(link))
        return;
    if (forget)
        (void)keeper_send(link->fd, &message, 0);
    else
        link_say_unsaid(link, 0);
}

void link_free(struct link *link) UNCHECKED {
    fd_close(&link->fd);
    free(link->unsaid);
    lock_destroy(&link->lock);
    lock_destroy(&link->listeners_lock);
}
