/* How acceptors end. A close of a listening socket resets the clients whose handshake the kernel
 * has finished, and those in the midst of one. So a socket first goes out of sight
 * (listen_socket_retire); its thread accepts what has come; and once no handshake is under way and
 * nothing waits, it ends. */
#include <stdatomic.h>
#include <stdlib.h>

#include "listen/handshakes.h"
#include "listen/own.h"
#include "road/acceptor.h"

#define NUDGE_AGAIN (20 * USEC_PER_MSEC) /* while an end is waited for */
#define LOOK_AGAIN  (50 * USEC_PER_MSEC) /* for handshakes */

static void retire_acceptor(struct acceptor *acceptor, usec_t until, enum link_end end) {
    bool lives_on =
        acceptor->socket.passed_as[0] != '\0' || (acceptor->kept >= 0 && end == LINK_LEAVE);

    if (!lives_on && until > 0) {
        atomic_store(&acceptor->rest_until, until);
        listen_socket_retire(&acceptor->socket);
    }
    lock_acquire(&acceptor->lock);
    atomic_store(&acceptor->ending, true);
    cond_signal(&acceptor->stop);
    lock_release(&acceptor->lock);
    acceptor_wake(acceptor);
}

void acceptor_retire_all(struct acceptor_list *acceptors, usec_t until, enum link_end end) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, acceptors, entry)
        retire_acceptor(acceptor, until, end);
}

/* Whether handshakes may be under way that would end at its socket. */
static bool may_have_handshakes(const struct acceptor *acceptor) {
    return atomic_load(&acceptor->rest_until) > 0 && !atomic_load(&acceptor->settled) &&
           !addr_is_unix(&acceptor->socket.addr);
}

/* Nobody can come any more. */
static void settle_acceptor(struct acceptor *acceptor) {
    if (addr_is_unix(&acceptor->socket.addr) && atomic_load(&acceptor->rest_until) > 0)
        (void)shutdown(acceptor->socket.fd, SHUT_RD);
    atomic_store(&acceptor->settled, true);
}

static void look_for_handshakes(const struct acceptor_list *acceptors, int family,
                                struct handshakes *handshakes, usec_t deadline) {
    const struct acceptor *acceptor;
    bool look = false;

    TAILQ_FOREACH(acceptor, acceptors, entry)
        look = look ||
               (may_have_handshakes(acceptor) && acceptor->socket.addr.u.sa.sa_family == family);
    if (look)
        handshakes_look(handshakes, family, deadline);
}

/* Whether all are settled. */
static bool settle_all(struct acceptor_list *acceptors, usec_t deadline) {
    struct handshakes handshakes = {{0}};
    struct acceptor *acceptor;
    bool all = true;

    look_for_handshakes(acceptors, AF_INET, &handshakes, deadline);
    look_for_handshakes(acceptors, AF_INET6, &handshakes, deadline);
    TAILQ_FOREACH(acceptor, acceptors, entry) {
        if (may_have_handshakes(acceptor) &&
            handshakes_any(&handshakes, addr_port(&acceptor->socket.addr)))
            all = false;
        else if (!atomic_load(&acceptor->settled))
            settle_acceptor(acceptor);
    }
    return all;
}

/* Whoever waits for room is nudged, and looks at the time. */
static bool await_acceptor(struct acceptor *acceptor, usec_t deadline) {
    for (;;) {
        usec_t now = clock_now(), next = now + NUDGE_AGAIN;

        if (thread_interrupt_join_until(&acceptor->thread, next < deadline ? next : deadline))
            return true;
        if (now >= deadline)
            return false;
        acceptor->road->nudge(acceptor->road->arg);
    }
}

void acceptor_await_all(struct acceptor_list *acceptors, usec_t deadline) {
    struct acceptor *acceptor;
    bool settled = false, ended = TAILQ_EMPTY(acceptors);

    for (usec_t now = clock_now(); !ended && now < deadline; now = clock_now()) {
        usec_t next = now + LOOK_AGAIN;

        settled = settled || settle_all(acceptors, deadline);
        ended = true;
        TAILQ_FOREACH(acceptor, acceptors, entry)
            ended =
                await_acceptor(acceptor, !settled && next < deadline ? next : deadline) && ended;
    }
}

/* Of a socket that the keeper has. */
static void part_from_keeper(struct acceptor *acceptor, enum link_end end) {
    if (end == LINK_FORGET) {
        link_release_listener(acceptor->road->link, acceptor->kept);
        return;
    }
    link_keep_listener(acceptor->road->link, acceptor->kept, -1); /* its number is told no more */
    listen_socket_leave(&acceptor->socket);
}

void acceptor_free(struct acceptor *acceptor, enum link_end end) UNCHECKED {
    if (!atomic_load(&acceptor->ending))
        retire_acceptor(acceptor, 0, end);
    CHECK(await_acceptor(acceptor, USEC_NEVER));
    own_remove(acceptor->socket.fd);
    if (acceptor->route != NULL)
        route_unref(acceptor->route);
    if (acceptor->kept >= 0)
        part_from_keeper(acceptor, end);
    listen_socket_close(&acceptor->socket);
    cond_destroy(&acceptor->stop);
    lock_destroy(&acceptor->lock);
    free(acceptor);
}

void acceptor_free_all(struct acceptor_list *acceptors, enum link_end end) {
    struct acceptor *acceptor;

    while ((acceptor = TAILQ_FIRST(acceptors)) != NULL) {
        TAILQ_REMOVE(acceptors, acceptor, entry);
        acceptor_free(acceptor, end);
    }
}
