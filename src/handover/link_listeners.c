/* What the keeper is told of listening sockets, under their lock: they are few, and a descriptor
 * must not be closed meanwhile.
 *
 * still_used: an entry of the table is in use for as long as the keeper may hold something under
 * its number: until a release was sent. If this process is killed before, the next one finds what
 * to disown. */
#include <stdatomic.h>
#include <sys/socket.h>

#include "handover/link_inside.h"

/* Sends one as it is now; or later, if that fails. */
static void send_listener(struct link *link, int index, int flags) REQUIRES(link->listeners_lock) {
    int fd = link->listeners[index];
    uint32_t number = KEEPER_LISTENERS + (uint32_t)index;
    int r = 0;

    if (atomic_load(&link->epoch) != 0)
        r = fd >= 0 ? link_send_fd(link->fd, number, fd, flags)
                    : link_send_index(link->fd, KEEPER_RELEASE, number, flags);
    if (fd < 0 && r == 0)
        link->table->head->listeners[index].used = false; /* still_used */
    link->listeners_unsent[index] = r < 0;
    if (r < 0)
        atomic_store(&link->unsent, true);
}

int link_hold_listener(struct link *link, int fd, const struct listen_description *description) {
    int index = 0;

    lock_acquire(&link->listeners_lock);
    while (index < KEEPER_LISTENERS_MAX &&
           (link->listeners[index] >= 0 || link->table->head->listeners[index].used))
        index++;
    if (index < KEEPER_LISTENERS_MAX) {
        struct listen_description *noted = &link->table->head->listeners[index];

        link->listeners[index] = fd;
        noted->used = false;
        *noted = *description;
        noted->used = true;
        send_listener(link, index, MSG_DONTWAIT);
    }
    lock_release(&link->listeners_lock);
    return index < KEEPER_LISTENERS_MAX ? index : -1;
}

void link_describe_listener(struct link *link, int index,
                            const struct listen_description *description) {
    struct listen_description *noted = &link->table->head->listeners[index];

    lock_acquire(&link->listeners_lock);
    bool used = noted->used;
    *noted = *description;
    noted->used = used;
    lock_release(&link->listeners_lock);
}

void link_keep_listener(struct link *link, int index, int fd) {
    lock_acquire(&link->listeners_lock);
    link->listeners[index] = fd;
    lock_release(&link->listeners_lock);
}

void link_release_listener(struct link *link, int index) {
    lock_acquire(&link->listeners_lock);
    link->listeners[index] = -1;
    send_listener(link, index, MSG_DONTWAIT);
    lock_release(&link->listeners_lock);
}

void link_disown_listener(struct link *link, int index) {
    lock_acquire(&link->listeners_lock);
    send_listener(link, index, 0);
    lock_release(&link->listeners_lock);
}

void link_disown_listeners(struct link *link) {
    lock_acquire(&link->listeners_lock);
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++)
        if (link->listeners[i] < 0 && link->table->head->listeners[i].used)
            send_listener(link, i, MSG_DONTWAIT);
    lock_release(&link->listeners_lock);
}

void link_send_listeners(struct link *link, bool all) {
    int flags = 0;

    lock_acquire(&link->listeners_lock);
    for (int i = 0; i < KEEPER_LISTENERS_MAX; i++) {
        if (!link->listeners_unsent[i] && (!all || link->listeners[i] < 0))
            continue;
        send_listener(link, i, flags);
        if (link->listeners_unsent[i])
            flags = MSG_DONTWAIT; /* waited once: main may want the lock */
    }
    lock_release(&link->listeners_lock);
}
