#include "relay/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "relay/conn.h"

#define TICK  USEC_PER_SEC /* how soon what could not be said is said again, at the latest */
#define AGAIN (250 * USEC_PER_MSEC) /* between attempts to find a new keeper */
#define ROOM                                                                                       \
    (1 << 20) /* bytes of messages that may be on their way, as far as net.core.wmem_max allows */
#define BATCH 64
#define QUIET                                                                                      \
    (10 * USEC_PER_MSEC) /* no connection has come for so long: a release is said at once, */
#define UNSAID_MOST 32   /* as are so many */

/* Saying */

static int say_index(int fd, enum keeper_type type, uint32_t index, int flags) {
    struct keeper_message message = keeper_message(type);

    message.indexes[0] = index;
    message.n_indexes = 1;
    return keeper_send(fd, &message, flags);
}

static int say_fd(int fd, size_t index, int what, int flags) {
    struct keeper_message message = keeper_message(KEEPER_HOLD);

    message.head.index = (uint32_t)index;
    message.fd[0] = what;
    message.n_fd = 1;
    return keeper_send(fd, &message, flags);
}

static uint32_t index_of(uint32_t slot) {
    return KEEPER_CONNECTIONS + slot;
}

static void miss(struct link *link) {
    if (!atomic_load_explicit(&link->missed, memory_order_relaxed))
        atomic_store(&link->missed, true);
}

/* Releases wait in link->unsaid for the next message, which may be that of a connection that comes: then they cost
 * nothing. Their slots are free once they are said. */

static void put_unsaid(struct link *link, const uint32_t *indexes, size_t n) {
    lock_acquire(&link->lock);
    for (size_t i = 0; i < n; i++)
        link->unsaid[link->n_unsaid++] = indexes[i];
    lock_release(&link->lock);
}

static void take_unsaid(struct link *link, struct keeper_message *message) {
    lock_acquire(&link->lock);
    while (link->n_unsaid > 0 && message->n_indexes < KEEPER_INDEXES)
        message->indexes[message->n_indexes++] = link->unsaid[--link->n_unsaid];
    lock_release(&link->lock);
}

/* Sends a message with what was unsaid. On failure that stays so. */
static int say_with_unsaid(struct link *link, struct keeper_message *message, int flags) {
    take_unsaid(link, message);
    int r = keeper_send(link->fd, message, flags);
    if (r < 0) {
        put_unsaid(link, message->indexes, message->n_indexes);
        miss(link);
        return r;
    }
    for (size_t i = 0; i < message->n_indexes; i++)
        table_give(link->table, (message->indexes[i] & ~KEEPER_KEEP_PIPES) - KEEPER_CONNECTIONS);
    return 0;
}

static size_t count_unsaid(struct link *link) {
    lock_acquire(&link->lock);
    size_t n = link->n_unsaid;
    lock_release(&link->lock);
    return n;
}

static void say_unsaid(struct link *link, int flags) {
    int r = 0;

    while (r == 0 && count_unsaid(link) > 0) {
        struct keeper_message message = keeper_message(KEEPER_RELEASE);

        r = say_with_unsaid(link, &message, flags);
    }
}

/* The keeper that it would have been said to is gone. */
static void forget_unsaid(struct link *link) {
    while (count_unsaid(link) > 0) {
        struct keeper_message message = keeper_message(KEEPER_RELEASE);

        take_unsaid(link, &message);
        for (size_t i = 0; i < message.n_indexes; i++)
            table_give(link->table, (message.indexes[i] & ~KEEPER_KEEP_PIPES) - KEEPER_CONNECTIONS);
    }
}

static int hold(struct link *link, struct conn *conn, int flags) {
    struct table_slot *slot = &link->table->slots[conn->slot];
    struct keeper_message message = keeper_message(KEEPER_HOLD);
    unsigned epoch = atomic_load(&link->epoch);

    if (epoch == 0)
        return -ENOTCONN; /* the next keeper is given everything */
    message.head.index = index_of(conn->slot);
    message.fd[0] = conn->fd[SIDE_CLIENT];
    message.fd[1] = conn->fd[SIDE_SERVER];
    message.n_fd = KEEPER_CONNECTION_FDS;
    for (int dir = 0; atomic_load(&slot->pipes_held) != epoch && dir < 2; dir++) {
        message.fd[message.n_fd++] = slot->pipe[dir].read;
        message.fd[message.n_fd++] = slot->pipe[dir].write;
    }
    int r = say_with_unsaid(link, &message, flags);
    if (r < 0)
        return r;
    atomic_store(&slot->pipes_held, epoch);
    atomic_store(&conn->held, epoch);
    return 0;
}

void link_hold(struct link *link, struct conn *conn) {
    uint64_t number = conn->state->record.number;

    if (number > atomic_load_explicit(&link->table->head->last_number, memory_order_relaxed))
        atomic_store_explicit(&link->table->head->last_number, number, memory_order_relaxed);
    atomic_store_explicit(&link->last_hold, clock_coarse(), memory_order_relaxed);
    if (hold(link, conn, MSG_DONTWAIT) < 0)
        stats_add(STAT_unheld, 1);
}

void link_release(struct link *link, struct conn *conn) {
    bool keeps = table_keeps_pipes(link->table, conn->slot, !atomic_load(&conn->dirty));
    uint32_t index = index_of(conn->slot) | (keeps ? KEEPER_KEEP_PIPES : 0);
    usec_t last_hold = atomic_load_explicit(&link->last_hold, memory_order_relaxed);

    if (atomic_load(&conn->held) == 0 || atomic_load(&link->epoch) == 0) {
        table_give(link->table, conn->slot);
        return;
    }
    atomic_store(&conn->state->live, 0);
    put_unsaid(link, &index, 1);
    if (clock_coarse() - last_hold > QUIET || count_unsaid(link) >= UNSAID_MOST)
        say_unsaid(link, MSG_DONTWAIT);
}

void link_disown(struct link *link, uint32_t slot) {
    (void)say_index(link->fd, KEEPER_RELEASE, index_of(slot), 0);
}

/* Listening sockets */

int link_hold_listener(struct link *link, int fd, const struct table_listener *description) {
    struct table_listener *listeners = link->table->head->listeners;
    int index = 0;

    lock_acquire(&link->listeners_lock);
    while (index < KEEPER_LISTENERS_MAX && link->listeners[index] >= 0)
        index++;
    if (index < KEEPER_LISTENERS_MAX) {
        link->listeners[index] = fd;
        listeners[index] = *description;
        listeners[index].used = true;
        if (atomic_load(&link->epoch) != 0)
            (void)say_fd(link->fd, KEEPER_LISTENERS + (size_t)index, fd, 0);
    }
    lock_release(&link->listeners_lock);
    return index < KEEPER_LISTENERS_MAX ? index : -1;
}

void link_release_listener(struct link *link, int index) {
    if (index < 0)
        return;
    lock_acquire(&link->listeners_lock);
    link->listeners[index] = -1;
    link->table->head->listeners[index].used = false;
    if (atomic_load(&link->epoch) != 0)
        (void)say_index(link->fd, KEEPER_RELEASE, KEEPER_LISTENERS + (uint32_t)index, 0);
    lock_release(&link->listeners_lock);
}

void link_disown_listeners(struct link *link) {
    lock_acquire(&link->listeners_lock);
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        struct table_listener *listener = &link->table->head->listeners[i];

        if (!listener->used || link->listeners[i] >= 0)
            continue;
        listener->used = false;
        (void)say_index(link->fd, KEEPER_RELEASE, KEEPER_LISTENERS + (uint32_t)i, 0);
    }
    lock_release(&link->listeners_lock);
}

static void hold_listeners(struct link *link) {
    lock_acquire(&link->listeners_lock);
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++)
        if (link->listeners[i] >= 0)
            (void)say_fd(link->fd, KEEPER_LISTENERS + (size_t)i, link->listeners[i], 0);
    lock_release(&link->listeners_lock);
}

void link_set_timeout(struct link *link, usec_t keeper_timeout) {
    struct keeper_message message = keeper_message(KEEPER_PATIENCE);

    message.head.usec = keeper_timeout;
    if (atomic_exchange(&link->keeper_timeout, keeper_timeout) != keeper_timeout &&
        atomic_load(&link->epoch) != 0)
        (void)keeper_send(link->fd, &message, 0);
}

/* The thread */

/* Holds the connections that the keeper of this epoch has not. */
static void hold_missing(struct link *link) {
    unsigned epoch = atomic_load(&link->epoch);
    struct conn *batch[BATCH];
    size_t n;
    int r = 0;

    while (r == 0 && (n = registry_unheld(link->registry, epoch, batch, BATCH)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (r == 0)
                r = hold(link, batch[i], 0);
            conn_unref(batch[i]);
        }
    }
}

static void catch_up(struct link *link) {
    atomic_store(&link->missed, false);
    say_unsaid(link, 0);
    hold_missing(link);
    bool missed = atomic_load(&link->missed);
    if (missed && !link->said)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s takes no more messages: new connections go on, and would not "
                "outlive relayd. See systemctl status relayd-keeper.",
                link->path);
    else if (!missed && link->said)
        log_msg(MSG_KEEPER_BACK, "relayd-keeper at %s holds all connections again.", link->path);
    link->said = missed;
}

static void take_lost(struct link *link, const struct keeper_message *message) {
    static const char why[] =
        "raise LimitNOFILE of relayd-keeper.service, or lower max_connections";

    if (message->head.type != KEEPER_LOST || message->head.index < KEEPER_CONNECTIONS)
        return;
    uint32_t slot = message->head.index - KEEPER_CONNECTIONS;
    if (slot < link->table->n)
        atomic_store(&link->table->slots[slot].pipes_held, 0);
    if (registry_lose(link->registry, slot, atomic_load(&link->epoch)) && !link->said)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s is out of descriptors: connections go on that would not "
                "outlive relayd; %s.",
                link->path, why);
    link->said = true;
}

static void lose_keeper(struct link *link) {
    atomic_store(&link->epoch, 0);
    forget_unsaid(link);
    if (!link->said)
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
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* dup3 by number: the thread sanitizer would take it for a race with whoever sends (same_number). */
static void find_keeper(struct link *link) {
    struct heritage nothing;
    int fd = -1;
    struct timespec pause = clock_timespec(AGAIN);

    if (link_attach(link->path, atomic_load(&link->keeper_timeout), true, &fd, &nothing) !=
        LINK_OK) {
        (void)nanosleep(&pause, NULL); /* or until the stop interrupts it */
        return;
    }
    heritage_free(&nothing);
    prepare(fd);
    long r = syscall(SYS_dup3, fd, link->fd, O_CLOEXEC);
    fd_close(&fd);
    if (r < 0)
        return;
    (void)say_fd(link->fd, KEEPER_TABLE, link->table->fd, 0);
    hold_listeners(link);
    atomic_store(&link->epoch, ++link->epochs);
    link->said = true; /* catch_up says that it is back */
    atomic_store(&link->missed, true);
}

static void listen_to_keeper(struct link *link) {
    struct keeper_message message;
    int r = keeper_receive(link->fd, &message);

    if (r > 0) {
        take_lost(link, &message);
        keeper_message_drop(&message);
    } else if (r != -EAGAIN && r != -EINTR) {
        lose_keeper(link);
    }
}

static void link_thread(void *arg) {
    struct link *link = arg;

    while (!atomic_load(&link->stop)) {
        if (atomic_load(&link->epoch) == 0)
            find_keeper(link);
        else
            listen_to_keeper(link);
        if (atomic_load(&link->epoch) == 0)
            continue;
        if (atomic_load(&link->missed))
            catch_up(link);
        else
            say_unsaid(link, 0);
    }
}

/* Its life */

int link_init(struct link *link, const char *path, int *fd, struct table *table, bool fresh_table,
              struct registry *registry, usec_t keeper_timeout) UNCHECKED {
    *link = (struct link){.fd = -1, .table = table, .registry = registry, .epochs = 1};
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
    prepare(link->fd);
    if (fresh_table)
        (void)say_fd(link->fd, KEEPER_TABLE, table->fd, 0);
    return 0;
}

int link_start(struct link *link) {
    return thread_start(&link->thread, "keeper", NULL, link_thread, link);
}

void link_stop(struct link *link, bool forget) {
    struct keeper_message message = keeper_message(KEEPER_FORGET);

    atomic_store(&link->stop, true);
    thread_interrupt_join(&link->thread);
    if (atomic_load(&link->epoch) == 0)
        return;
    if (forget)
        (void)keeper_send(link->fd, &message, 0);
    else
        say_unsaid(link, 0);
}

void link_free(struct link *link) UNCHECKED {
    fd_close(&link->fd);
    free(link->unsaid);
    lock_destroy(&link->lock);
    lock_destroy(&link->listeners_lock);
}
