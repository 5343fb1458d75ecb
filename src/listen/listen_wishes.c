#include "listen/listen_wishes.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/* A list of wishes that grows. */
struct wishes {
    const struct config *config;
    const struct listen_names *names;
    struct listen_wish *list;
    size_t n;
};

static struct listen_wish *add_wish(struct wishes *wishes, size_t index, size_t address) {
    struct listen_wish *grown = realloc(wishes->list, (wishes->n + 1) * sizeof(*grown));
    const struct listener_config *listener = &wishes->config->listeners[index];

    if (grown == NULL)
        return NULL;
    wishes->list = grown;
    grown[wishes->n] = (struct listen_wish){
        .listener = listener, .index = index, .address = &listener->address[address]};
    return &grown[wishes->n++];
}

/* Whether an address of a listener is of IPv4 and has this port. */
static bool wants_ipv4(const struct wishes *wishes, const struct listen_address *address,
                       unsigned port) {
    const struct addr_spec *spec = &address->spec;
    bool any = false;

    if (address->systemd || spec->port != port)
        return false;
    if (spec->form == ADDR_NAME) {
        const struct listen_name *name = listen_names_get(wishes->names, address);

        for (size_t i = 0; i < name->n; i++)
            any |= name->list[i].u.sa.sa_family == AF_INET;
        return any;
    }
    const struct addr addr = addr_unmapped(&spec->addr);
    return spec->form == ADDR_LITERAL && addr.u.sa.sa_family == AF_INET;
}

/* "[::]:80" takes IPv4 as well, unless an IPv4 address with the same port is asked for somewhere.
 */
static bool ipv4_wanted_apart(const struct wishes *wishes, unsigned port) {
    for (size_t i = 0; i < wishes->config->n_listeners; i++) {
        const struct listener_config *other = &wishes->config->listeners[i];

        for (size_t j = 0; j < other->n_address; j++)
            if (wants_ipv4(wishes, &other->address[j], port))
                return true;
    }
    return false;
}

static int wish_name(struct wishes *wishes, size_t index, size_t address) {
    const struct listen_name *name =
        listen_names_get(wishes->names, &wishes->config->listeners[index].address[address]);

    for (size_t i = 0; i < name->n; i++) {
        struct listen_wish *wish = add_wish(wishes, index, address);

        if (wish == NULL)
            return -ENOMEM;
        wish->addr = name->list[i];
        wish->v6only = true;
    }
    return 0;
}

static int wish_address(struct wishes *wishes, size_t index, size_t address) {
    const struct listen_address *asked = &wishes->config->listeners[index].address[address];
    const struct addr_spec *spec = &asked->spec;

    if (!asked->systemd && spec->form == ADDR_NAME)
        return wish_name(wishes, index, address);
    struct listen_wish *wish = add_wish(wishes, index, address);
    if (wish == NULL)
        return -ENOMEM;
    wish->systemd = asked->systemd;
    if (wish->systemd)
        return 0;
    wish->any = spec->form == ADDR_ANY;
    wish->addr =
        wish->any ? listen_wish_any_address(AF_INET6, spec->port) : addr_unmapped(&spec->addr);
    wish->v6only = wish->addr.u.sa.sa_family == AF_INET6 && ipv4_wanted_apart(wishes, spec->port);
    return 0;
}

int listen_wishes(const struct config *config, const struct listen_names *names,
                  struct listen_wish **ret_list, size_t *ret_n) {
    struct wishes wishes = {.config = config, .names = names};
    int r = 0;

    for (size_t i = 0; i < config->n_listeners && r == 0; i++)
        for (size_t j = 0; j < config->listeners[i].n_address && r == 0; j++)
            r = wish_address(&wishes, i, j);
    if (r < 0) {
        free(wishes.list);
        return r;
    }
    *ret_list = wishes.list;
    *ret_n = wishes.n;
    return 0;
}
