#include "relay/follow.h"

#include <errno.h>

#include "base/interface.h"
#include "base/log.h"
#include "base/scope.h"
#include "road/acceptor.h"

static struct route *find_route(const struct relay *relay, const struct acceptor *acceptor) {
    struct generation *now = relay->current;

    for (size_t i = 0; i < now->config->n_listeners; i++)
        if (&now->routes[i] == acceptor->serves)
            return &now->routes[i];
    return NULL;
}

/* A new socket and acceptor in the place of one; that leaves. */
static int replace_acceptor(struct relay *relay, struct acceptor *old) {
    struct route *route = find_route(relay, old);
    struct listen_socket socket;

    if (route == NULL)
        return -ENOENT;
    int r = listen_socket_again(&socket, &old->socket, route->config);
    if (r < 0)
        return r;
    struct acceptor *fresh = acceptor_new(&relay->road, &socket);
    if (fresh == NULL) {
        listen_socket_close(&socket);
        return -ENOMEM;
    }
    r = acceptor_start(fresh, route);
    if (r < 0) {
        acceptor_free(fresh, LINK_FORGET);
        return r;
    }
    fresh->announced = true;
    TAILQ_INSERT_BEFORE(old, fresh, entry);
    TAILQ_REMOVE(&relay->acceptors, old, entry);
    TAILQ_INSERT_TAIL(&relay->leaving, old, entry);
    return 0;
}

/* Whether it was replaced. Its address may be there a moment later than the interface: then it is
 * tried again. */
static bool follow_interface(struct relay *relay, struct acceptor *acceptor, const char *name) {
    if (interface_index(name) == 0) {
        if (!acceptor->lost)
            log_msg(
                MSG_INTERFACE,
                "Interface %s is gone: nobody reaches listener %s on %s until it is there again.",
                name, acceptor->serves->config->name, acceptor->socket.text);
        acceptor->lost = true;
        return false;
    }
    if (!listen_socket_is_stale(&acceptor->socket) || replace_acceptor(relay, acceptor) < 0)
        return false;
    log_msg(MSG_INTERFACE, "Interface %s was made anew: listener %s takes connections on %s again.",
            name, acceptor->serves->config->name, acceptor->socket.text);
    return true;
}

bool relay_follow(struct relay *relay) {
    struct acceptor *acceptor = TAILQ_FIRST(&relay->acceptors);
    bool any = false, replaced = false;

    while (acceptor != NULL) {
        struct acceptor *next = TAILQ_NEXT(acceptor, entry);
        const char *name = scope_name(&acceptor->socket.addr);

        any |= name != NULL;
        if (name != NULL && follow_interface(relay, acceptor, name))
            replaced = true;
        acceptor = next;
    }
    if (replaced)
        relay_open(relay);
    return any;
}
