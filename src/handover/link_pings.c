/* Questions to the keeper, and its answers. It does what it is told in order, so an answer says how
 * far it has come. */
#include <stdatomic.h>
#include <sys/socket.h>

#include "handover/link_inside.h"

#define PATIENCE USEC_PER_SEC /* of main, with a keeper that stands still */

/* Under the listeners' lock: questions are counted in the order in which they are sent. */
int link_ping(struct link *link) {
    struct keeper_message message = keeper_message(KEEPER_PING);

    lock_acquire(&link->listeners_lock);
    int r = keeper_send(link->fd, &message, MSG_DONTWAIT);
    lock_acquire(&link->lock);
    link->pings += r == 0;
    lock_release(&link->lock);
    lock_release(&link->listeners_lock);
    return r;
}

void link_note_pong(struct link *link) {
    lock_acquire(&link->lock);
    link->pongs++;
    cond_signal(&link->answered);
    lock_release(&link->lock);
}

void link_forget_pings(struct link *link) {
    lock_acquire(&link->lock);
    link->pongs = link->pings;
    cond_signal(&link->answered);
    lock_release(&link->lock);
}

void link_sync(struct link *link) {
    usec_t deadline = clock_now() + PATIENCE;

    if (!link->thread.running || !link_is_up(link) || link_ping(link) < 0)
        return;
    lock_acquire(&link->lock);
    size_t last = link->pings;
    while (link->pongs < last && cond_wait_until(&link->answered, &link->lock, deadline))
        continue;
    lock_release(&link->lock);
}
