#include "handover/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "handover/link_inside.h"

/* within this time, what could not be sent is sent again */
#define TICK           USEC_PER_SEC
#define AGAIN          (250 * USEC_PER_MSEC) /* between attempts to find a new keeper */
#define AGAIN_AT_FIRST USEC_PER_SEC          /* while none has ever been there */
#define ROOM           (1 << 20) /* bytes of messages on their way; net.core.wmem_max bounds it */
#define PATIENCE       (2 * USEC_PER_SEC) /* with a keeper that was asked for a sign of life */

bool link_is_up(const struct link *link) {
    return atomic_load(&link->epoch) != 0;
}

bool link_serves(const struct link *link) {
    return atomic_load_explicit(&link->serves, memory_order_relaxed);
}

/* Sends the terms if they have changed. A keeper to come gets them when it attaches. */
static void send_terms(struct link *link, int flags) {
    struct keeper_message message = keeper_message(KEEPER_TERMS);

    if (!link_is_up(link) || !atomic_exchange(&link->terms_unsent, false))
        return;
    lock_acquire(&link->lock);
    message.head.usec = link->keeper_timeout;
    keeper_message_add(&message, link->name, strlen(link->name));
    lock_release(&link->lock);
    if (keeper_send(link->fd, &message, flags) == 0)
        return;
    atomic_store(&link->terms_unsent, true);
    atomic_store(&link->unsent, true);
}

void link_set_terms(struct link *link, usec_t keeper_timeout, const char *name) {
    lock_acquire(&link->lock);
    bool news = keeper_timeout != link->keeper_timeout || strcmp(name, link->name) != 0;
    link->keeper_timeout = keeper_timeout;
    snprintf(link->name, sizeof(link->name), "%s", name);
    lock_release(&link->lock);
    if (!news)
        return;
    atomic_store(&link->terms_unsent, true);
    send_terms(link, MSG_DONTWAIT);
}

static void warn_stalled(struct link *link) {
    if (!link->warned)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s does not answer: connections go on, and the new ones may not "
                "outlive relayd. See systemctl status relayd-keeper.",
                link->path);
    link->warned = true;
}

/* Sends what could not be sent. All is well again once the keeper has read it: a ping will tell. */
static void catch_up(struct link *link) {
    atomic_store(&link->unsent, false);
    send_terms(link, 0);
    link_send_listeners(link, false);
    link_send_releases(link, 0);
    link->hold_missing(link->arg, atomic_load(&link->epoch));
    if (atomic_load(&link->unsent))
        warn_stalled(link);
}

/* Bytes that the keeper has not read (unix(7), SIOCOUTQ). */
static bool is_behind(const struct link *link) {
    int unread = 0;

    return ioctl(link->fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

/* Asks for a sign of life, if the keeper is behind or was said to be in trouble. */
static void ping_keeper(struct link *link) {
    usec_t now = clock_now();

    if (link->pinged != 0) {
        if (now - link->pinged > PATIENCE)
            warn_stalled(link);
    } else if ((is_behind(link) || link->warned) && link_ping(link) == 0) {
        link->pinged = now;
    }
}

static void take_pong(struct link *link) {
    link->pinged = 0;
    link_note_pong(link);
    if (link->warned && !atomic_load(&link->unsent)) {
        log_msg(MSG_KEEPER_BACK, "relayd-keeper at %s holds all connections again.", link->path);
        link->warned = false;
    }
}

static void warn_crowded(struct link *link) {
    link->warned_crowded = true;
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
    uint32_t index = message->head.index - KEEPER_CONNECTIONS;
    if (index >= link->table->n)
        return;
    struct table_slot *slot = &link->table->slots[index];
    unsigned epoch = atomic_load(&link->epoch);
    bool full = message->head.count == epoch;

    /* Else it was held without pipes, for the previous keeper: once more. */
    if (!full)
        atomic_store(&link->unsent, true);
    bool found = table_lose(link->table, index, full ? epoch : 0);
    atomic_store(&slot->pipes_held, 0);
    if (found && full && !link->warned_lost)
        log_msg(MSG_KEEPER_TROUBLE,
                "relayd-keeper at %s is out of descriptors: connections go on that would not "
                "outlive relayd; %s.",
                link->path, why);
    link->warned_lost = true;
}

/* Or until the stop interrupts it. */
static void pause_before_next(const struct link *link) {
    struct timespec pause = clock_timespec(link_serves(link) ? AGAIN : AGAIN_AT_FIRST);

    (void)nanosleep(&pause, NULL);
}

/* While both are being stopped, this process hears of its own stop meanwhile. A keeper that lives,
 * and said nonsense, hears an end, so that it is free for another dialogue; the socket stays, see
 * same_number. */
static void lose_keeper(struct link *link) {
    atomic_store(&link->epoch, 0);
    (void)shutdown(link->fd, SHUT_RDWR);
    link_forget_releases(link);
    link_forget_pings(link);
    pause_before_next(link);
    if (link->warned || atomic_load(&link->ends) || atomic_load(&link->stop))
        return;
    log_msg(MSG_KEEPER_TROUBLE,
            "relayd-keeper at %s is gone: connections go on, and would not outlive relayd. See "
            "systemctl status relayd-keeper.",
            link->path);
    link->warned = true;
}

static void prepare_socket(int fd) {
    struct timeval tick = clock_timeval(TICK);
    int room = ROOM;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

/* Each outcome is logged once, however often it is tried. That a keeper is gone was already. */
static void log_no_keeper(struct link *link, enum link_outcome outcome,
                          const struct link_why *why) {
    bool known = link->warned && (outcome == LINK_NOBODY || outcome == LINK_SILENT);

    if (!known && (link->logged & 1u << outcome) == 0)
        link_log_outcome(outcome, why, link->path, false);
    link->logged |= 1u << outcome;
}

/* Nothing that it holds is of use: this process has the connections. */
static bool attach_link(struct link *link, int *ret_fd, size_t *ret_n_slots) {
    struct heritage heritage;
    struct link_why why;
    char name[KEEPER_NAME_MAX];
    struct link_terms terms = {.path = link->path, .name = name, .room = link->table->n};

    lock_acquire(&link->lock);
    terms.keeper_timeout = link->keeper_timeout;
    memcpy(name, link->name, sizeof(name));
    lock_release(&link->lock);
    enum link_outcome outcome = link_attach(&terms, true, ret_fd, &heritage, &why);
    if (outcome != LINK_OK) {
        log_no_keeper(link, outcome, &why);
        return false;
    }
    *ret_n_slots = heritage.n_slots;
    heritage_free(&heritage);
    return true;
}

/* From now on connections that come are held. */
static void begin_holding(struct link *link, size_t n_slots) {
    bool first = !link_serves(link);

    link->pinged = 0;
    link->logged = 0;
    link->warned_lost = false;
    atomic_store(&link->serves, true);
    link_send_listeners(link, true);
    link->warned = !first; /* its first sign of life is logged */
    atomic_store(&link->unsent, true);
    if (first)
        log_msg(
            MSG_KEEPER,
            "Connections that come from now on outlive relayd: relayd-keeper at %s is there, and "
            "holds up to %zu of them.",
            link->path, n_slots < link->table->n ? n_slots : link->table->n);
}

/* The epoch first: who ends a connection that this keeper has been told of already must know that
 * there is one (link_release). dup3 by number: the thread sanitizer would call it a race with
 * senders (same_number). */
static bool use_socket(struct link *link, int fd) {
    prepare_socket(fd);
    if (link_send_fd(fd, KEEPER_TABLE, link->table->fd, 0) < 0)
        return false;
    atomic_store(&link->epoch, ++link->epochs);
    if (syscall(SYS_dup3, fd, link->fd, O_CLOEXEC) >= 0)
        return true;
    atomic_store(&link->epoch, 0);
    return false;
}

static void find_keeper(struct link *link) {
    size_t n_slots = 0;
    int fd = -1;
    bool found = attach_link(link, &fd, &n_slots) && use_socket(link, fd);

    fd_close(&fd);
    if (found)
        begin_holding(link, n_slots);
    else
        pause_before_next(link);
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
            pause_before_next(link);
        else
            find_keeper(link);
        if (atomic_load(&link->crowded) && !link->warned_crowded)
            warn_crowded(link);
        if (!link_is_up(link))
            continue;
        if (atomic_load(&link->unsent))
            catch_up(link);
        else
            link_send_releases(link, 0);
        ping_keeper(link);
    }
}

/* Its life */

int link_init(struct link *link, const struct link_terms *terms, int *fd, struct table *table,
              bool fresh_table, link_hold_missing_fn *hold_missing, void *arg,
              enum link_outcome outcome) UNCHECKED {
    bool up = *fd >= 0;
    int r = 0;

    *link = (struct link){
        .fd = -1, .table = table, .hold_missing = hold_missing, .arg = arg, .epochs = up};
    if (!up) /* an unconnected one: sending fails */
        *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return -errno;
    prepare_socket(*fd);
    if (up && fresh_table)
        r = link_send_fd(*fd, KEEPER_TABLE, table->fd, 0);
    if (r < 0)
        return r;
    link->releases = calloc(table->n + 1, sizeof(*link->releases));
    if (link->releases == NULL)
        return -ENOMEM;
    snprintf(link->path, sizeof(link->path), "%s", terms->path);
    snprintf(link->name, sizeof(link->name), "%s", terms->name);
    link->keeper_timeout = terms->keeper_timeout;
    link->logged = up ? 0 : 1u << outcome;
    memset(link->listeners, 0xff, sizeof(link->listeners)); /* -1 everywhere */
    lock_init(&link->lock, RANK_LEAF);
    lock_init(&link->listeners_lock, RANK_OUTER);
    cond_init(&link->answered);
    atomic_init(&link->serves, up);
    atomic_init(&link->epoch, up);
    link->fd = fd_take(fd);
    return 0;
}

int link_start(struct link *link) {
    (void)link_ping(link); /* so it knows that this relayd goes on */
    return thread_start(&link->thread, "keeper", NULL, link_thread, link);
}

void link_let_end(struct link *link) {
    atomic_store(&link->ends, true);
}

void link_stop(struct link *link, enum link_end end) {
    struct keeper_message message = keeper_message(KEEPER_FORGET);

    atomic_store(&link->stop, true);
    thread_interrupt_join(&link->thread);
    if (!link_is_up(link))
        return;
    if (end == LINK_FORGET)
        (void)keeper_send(link->fd, &message, 0);
    else
        link_send_releases(link, 0);
}

void link_free(struct link *link) UNCHECKED {
    fd_close(&link->fd);
    free(link->releases);
    cond_destroy(&link->answered);
    lock_destroy(&link->lock);
    lock_destroy(&link->listeners_lock);
}
