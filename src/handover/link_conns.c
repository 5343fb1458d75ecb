/* What the keeper is told of connections. */
#include "handover/link_inside.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/stats.h"

/* Releases are sent at once if no connection has come for so long, or if they are so many. */
#define QUIET         (10 * USEC_PER_MSEC)
#define RELEASES_MOST 32

int link_send_index(int fd, enum keeper_type type, uint32_t index, int flags) {
    struct keeper_message message = keeper_message(type);

    message.indexes[0] = index;
    message.n_indexes = 1;
    return keeper_send(fd, &message, flags);
}

int link_send_fd(int fd, size_t index, int what, int flags) {
    struct keeper_message message = keeper_message(KEEPER_HOLD);

    message.head.index = (uint32_t)index;
    message.fd[0] = what;
    message.n_fd = 1;
    return keeper_send(fd, &message, flags);
}

static void note_unsent(struct link *link) {
    if (!atomic_load_explicit(&link->unsent, memory_order_relaxed))
        atomic_store(&link->unsent, true);
}

/* Releases wait for the next message, which may be that of a connection that comes: then they cost
 * nothing. Their slots are free once they are sent. */

static void put_releases(struct link *link, const uint32_t *indexes, size_t n) {
    lock_acquire(&link->lock);
    for (size_t i = 0; i < n; i++)
        link->releases[link->n_releases++] = indexes[i];
    lock_release(&link->lock);
}

static void take_releases(struct link *link, struct keeper_message *message) {
    lock_acquire(&link->lock);
    while (link->n_releases > 0 && message->n_indexes < KEEPER_INDEXES)
        message->indexes[message->n_indexes++] = link->releases[--link->n_releases];
    lock_release(&link->lock);
}

/* Sends a message, and releases with it. On failure these go on waiting. */
static int send_with_releases(struct link *link, struct keeper_message *message, int flags) {
    take_releases(link, message);
    int r = keeper_send(link->fd, message, flags);
    if (r < 0) {
        put_releases(link, message->indexes, message->n_indexes);
        note_unsent(link);
        return r;
    }
    for (size_t i = 0; i < message->n_indexes; i++)
        table_give(link->table, (message->indexes[i] & ~KEEPER_KEEP_PIPES) - KEEPER_CONNECTIONS);
    return 0;
}

static size_t count_releases(struct link *link) {
    lock_acquire(&link->lock);
    size_t n = link->n_releases;
    lock_release(&link->lock);
    return n;
}

void link_send_releases(struct link *link, int flags) {
    int r = 0;

    while (r == 0 && count_releases(link) > 0) {
        struct keeper_message message = keeper_message(KEEPER_RELEASE);

        r = send_with_releases(link, &message, flags);
    }
}

void link_forget_releases(struct link *link) {
    while (count_releases(link) > 0) {
        struct keeper_message message = keeper_message(KEEPER_RELEASE);

        take_releases(link, &message);
        for (size_t i = 0; i < message.n_indexes; i++)
            table_give(link->table, (message.indexes[i] & ~KEEPER_KEEP_PIPES) - KEEPER_CONNECTIONS);
    }
}

/* An earlier epoch may be noted later. */
static void raise_to(_Atomic unsigned *held, unsigned epoch) {
    unsigned before = atomic_load(held);

    while (before < epoch && !atomic_compare_exchange_weak(held, &before, epoch))
        ;
}

/* With flags of send(2). 0 or -errno. */
static int try_hold(struct hold *hold, const int fd[2], int flags) {
    struct link *link = hold->link;
    struct table_slot *slot = &link->table->slots[hold->slot];
    struct keeper_message message = keeper_message(KEEPER_HOLD);
    unsigned epoch = atomic_load(&link->epoch);

    if (epoch == 0)
        return -ENOTCONN; /* the next keeper is given everything */
    message.head.index = link_index_of(hold->slot);
    message.head.count = epoch;
    message.fd[0] = fd[SIDE_CLIENT];
    message.fd[1] = fd[SIDE_SERVER];
    message.n_fd = KEEPER_CONNECTION_FDS;
    bool lacks_pipes = slot->pipe[DIR_UP].read >= 0 && atomic_load(&slot->pipes_held) != epoch;
    for (int dir = 0; lacks_pipes && dir < 2; dir++) {
        message.fd[message.n_fd++] = slot->pipe[dir].read;
        message.fd[message.n_fd++] = slot->pipe[dir].write;
    }
    atomic_store(&hold->lost, 0); /* what was lost before was another's */
    int r = send_with_releases(link, &message, flags);
    if (r < 0)
        return r;
    atomic_store(&hold->told, true);
    if (lacks_pipes) /* else it has them, or there are none: those to come are to be sent */
        raise_to(&slot->pipes_held, epoch);
    raise_to(&hold->held, epoch);
    if (atomic_load(&hold->lost) == epoch) { /* which the keeper has answered already */
        atomic_store(&hold->held, 0);
        atomic_store(&slot->pipes_held, 0);
    }
    if (atomic_load(&link->epoch) != epoch)
        note_unsent(link); /* a new keeper came meanwhile, and may not have got it */
    return 0;
}

void link_hold(struct hold *hold, const int fd[2]) {
    atomic_fetch_add(&hold->news, 1);
    atomic_store_explicit(&hold->link->last_hold, clock_coarse(), memory_order_relaxed);
    if (try_hold(hold, fd, MSG_DONTWAIT) == 0)
        return;
    stats_add(STAT_unheld, 1);
    atomic_store(&hold->held, 0); /* with other sockets, perhaps: then it is told anew */
    note_unsent(hold->link);
}

/* A socket may have another one in its place meanwhile (one_leg in conn/exchange.h), of which the
 * keeper was told before it is told of the former one here. */
int link_hold_again(struct hold *hold, const int fd[2]) {
    unsigned news;
    int r;

    do {
        news = atomic_load(&hold->news);
        r = try_hold(hold, fd, 0);
    } while (r == 0 && atomic_load(&hold->news) != news);
    return r;
}

void link_note_crowded(struct link *link) {
    stats_add(STAT_unheld, 1);
    if (!atomic_load_explicit(&link->crowded, memory_order_relaxed))
        atomic_store(&link->crowded, true);
}

/* The keeper may have the pipes of a slot, from the connection before, without having heard of this
 * one: it is to close those that are closed here. With what is left in them they would be the next
 * one's, if that is told of without pipes and this process is killed. */
void link_release(struct hold *hold) {
    struct link *link = hold->link;
    const struct table_slot *slot = &link->table->slots[hold->slot];
    bool had_pipes = atomic_load(&slot->pipes_held) != 0,
         keeps = table_keeps_pipes(link->table, hold->slot),
         known = atomic_load(&hold->told) || (had_pipes && !keeps);
    uint32_t index = link_index_of(hold->slot) | (keeps ? KEEPER_KEEP_PIPES : 0);
    usec_t last_hold = atomic_load_explicit(&link->last_hold, memory_order_relaxed);

    if (!known || atomic_load(&link->epoch) == 0) {
        table_give(link->table, hold->slot);
        return;
    }
    atomic_store(&link->table->states[hold->slot].live, 0);
    put_releases(link, &index, 1);
    if (clock_coarse() - last_hold > QUIET || count_releases(link) >= RELEASES_MOST)
        link_send_releases(link, MSG_DONTWAIT);
}

void link_disown(struct link *link, uint32_t slot) {
    struct table *table = link->table;
    uint32_t index = link_index_of(slot);

    if (link_send_index(link->fd, KEEPER_RELEASE, index, MSG_DONTWAIT) == 0 || slot >= table->n)
        return;
    table->slots[slot].used = true; /* by no connection, until the release is sent */
    put_releases(link, &index, 1);
    note_unsent(link);
}
