#include "relay/adopt_route.h"

#include <string.h>
#include <sys/socket.h>

#include "road/acceptor.h"

static bool get_local(int fd, struct addr *ret_addr) {
    ret_addr->len = sizeof(ret_addr->u);
    return getsockname(fd, &ret_addr->u.sa, &ret_addr->len) == 0;
}

/* Whether a socket that is bound to one address takes what comes to the other. */
static bool covers_addr(const struct addr *bound, const struct addr *local) {
    static const unsigned char any[16], any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
    unsigned char one[16], other[16];

    if (!addr_ipv6_bytes(bound, one) || !addr_ipv6_bytes(local, other))
        return addr_is_unix(bound) && addr_equal(bound, local);
    return addr_port(bound) == addr_port(local) &&
           (memcmp(one, other, sizeof(one)) == 0 || memcmp(one, any, sizeof(one)) == 0 ||
            (memcmp(one, any_ipv4, sizeof(one)) == 0 && addr_bytes_are_ipv4(other)));
}

struct route *adopt_route(const struct relay *relay, const struct record *record, int client) {
    const struct generation *now = relay->current;
    const struct acceptor *acceptor;
    struct addr bound, local;

    for (size_t i = 0; i < now->config->n_listeners; i++)
        if (strcmp(now->config->listeners[i].name, record->listener) == 0)
            return &now->routes[i];
    if (!get_local(client, &local))
        return NULL;
    TAILQ_FOREACH(acceptor, &relay->acceptors, entry)
        if (get_local(acceptor->socket.fd, &bound) && covers_addr(&bound, &local))
            return acceptor->serves;
    return NULL;
}
