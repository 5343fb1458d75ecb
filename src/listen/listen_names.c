#include "listen/listen_names.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen/listen_wish.h"

/* NULL, or why there is none. */
static const char *look_up_name(const struct addr_spec *spec, struct addrinfo **ret_found) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char service[8];

    snprintf(service, sizeof(service), "%u", spec->port % 65536);
    int r = getaddrinfo(spec->name, service, &hints, ret_found);
    if (r == EAI_SYSTEM)
        return strerrordesc_np(errno);
    return r != 0 ? gai_strerror(r) : NULL;
}

/* A name may be listed twice in /etc/hosts. */
static bool name_has(const struct listen_name *name, const struct addr *addr) {
    for (size_t i = 0; i < name->n; i++)
        if (addr_equal(&name->list[i], addr))
            return true;
    return false;
}

static bool name_add(struct listen_name *name, const struct addrinfo *found) {
    struct addr addr = {.len = found->ai_addrlen};

    if (found->ai_addrlen > sizeof(addr.u))
        return true;
    memcpy(&addr.u, found->ai_addr, found->ai_addrlen);
    if (name_has(name, &addr))
        return true;
    struct addr *grown = realloc(name->list, (name->n + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    grown[name->n++] = addr;
    name->list = grown;
    return true;
}

static bool find_name(struct listen_names *names, const struct listener_config *listener,
                      const struct listen_address *address, char **ret_what) {
    struct listen_name *grown = realloc(names->list, (names->n + 1) * sizeof(*grown));
    struct addrinfo *found = NULL;
    bool room = true;

    if (grown == NULL)
        return false;
    names->list = grown;
    struct listen_name *name = &grown[names->n++];
    *name = (struct listen_name){.address = address};
    atomic_store(&names->asked, address);
    const char *why = look_up_name(&address->spec, &found);
    atomic_store(&names->asked, NULL);
    if (why != NULL) {
        const struct listen_wish wish = {.listener = listener, .address = address};

        *ret_what = listen_wish_complaint(&wish, EADDRNOTAVAIL, why,
                                          "is the name right, and is there a name server? An "
                                          "address does without");
        return false;
    }
    for (const struct addrinfo *ai = found; ai != NULL && room; ai = ai->ai_next)
        room = name_add(name, ai);
    freeaddrinfo(found);
    return room;
}

/* False: no memory. */
static bool add_place(struct status_config *status, const struct listen_address *address,
                      const struct addr *addr) {
    struct status_place *grown = reallocarray(status->places, status->n_places + 1, sizeof(*grown));

    if (grown == NULL)
        return false;
    status->places = grown;
    grown[status->n_places++] = (struct status_place){
        .addr = *addr, .any = address->spec.form == ADDR_ANY, .address = address};
    return true;
}

static bool find_places(struct listen_names *names, struct status_config *status,
                        const struct listen_address *address, char **ret_what) {
    const struct addr_spec *spec = &address->spec;
    const struct addr any = listen_wish_any_address(AF_INET6, spec->port);

    if (spec->form != ADDR_NAME)
        return add_place(status, address, spec->form == ADDR_ANY ? &any : &spec->addr);
    bool found = find_name(names, NULL, address, ret_what);
    const struct listen_name *name = &names->list[names->n - 1];
    for (size_t i = 0; found && i < name->n; i++)
        found = add_place(status, address, &name->list[i]);
    return found;
}

bool listen_names_find(struct listen_names *names, struct config *config, char **ret_what) {
    bool found = true;

    *ret_what = NULL;
    for (size_t i = 0; i < config->n_listeners && found; i++) {
        const struct listener_config *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->n_address && found; j++)
            if (!listener->address[j].systemd && listener->address[j].spec.form == ADDR_NAME)
                found = find_name(names, listener, &listener->address[j], ret_what);
    }
    config->status.n_places = 0;
    for (size_t i = 0; i < config->status.n_address && found; i++)
        found = find_places(names, &config->status, &config->status.address[i], ret_what);
    return found;
}

const struct listen_name *listen_names_get(const struct listen_names *names,
                                           const struct listen_address *address) {
    size_t i = 0;

    while (i < names->n && names->list[i].address != address)
        i++;
    CHECK(i < names->n);
    return &names->list[i];
}

void listen_names_free(struct listen_names *names) {
    for (size_t i = 0; i < names->n; i++)
        free(names->list[i].list);
    free(names->list);
    *names = (struct listen_names){.n = 0};
}
