/* Servers that are this relayd itself: a connection to one would come back for ever, each time as a new one. A server at
 * another listener's address is fine, unless the way leads back. What names stand for is seen when they are dialled
 * (relay/own.c). */
#include <stdlib.h>
#include <string.h>

#include "config/build.h"

/* A server of the upstream `from` is the listener whose upstream is `to`. */
struct edge {
    size_t from, to;
    size_t server, listener;
};

/* One address that is listened on. */
struct door {
    unsigned port;
    const struct addr_spec *spec;
    size_t listener, number;
};

struct doors {
    struct door *list;
    size_t n;
};

struct edges {
    struct edge *list;
    size_t n, room;
    bool *seen; /* upstreams, while a way is looked for */
};

static bool is_zero(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool is_wildcard(const unsigned char bytes[16]) {
    return addr_bytes_are_ipv4(bytes) ? is_zero(bytes + 12, 4) : is_zero(bytes, 16);
}

static bool is_loopback(const unsigned char bytes[16]) {
    return addr_bytes_are_ipv4(bytes) ? bytes[12] == 127 : is_zero(bytes, 15) && bytes[15] == 1;
}

/* Whether whoever connects to this address is accepted there. What other addresses this machine has is not known. */
static bool leads_to(const struct addr *to, const struct addr_spec *listened) {
    unsigned char server[16], own[16];

    if (listened->form == ADDR_LITERAL && addr_is_unix(&listened->addr))
        return addr_equal(&listened->addr, to);
    if (listened->form == ADDR_NAME || !addr_ipv6_bytes(to, server) ||
        addr_port(to) != listened->port)
        return false;
    bool here =
        is_loopback(server) || is_wildcard(server); /* connect(2) takes that for the loopback */
    if (listened->form == ADDR_ANY)
        return here;
    if (!addr_ipv6_bytes(&listened->addr, own))
        return false;
    if (is_wildcard(own)) /* [::] takes IPv4, too */
        return here && (!addr_bytes_are_ipv4(own) || addr_bytes_are_ipv4(server));
    if (IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)(const void *)own))
        return addr_equal(&listened->addr, to); /* on the same interface */
    return memcmp(server, own, sizeof(own)) == 0 ||
           (is_wildcard(server) && is_loopback(own) &&
            addr_bytes_are_ipv4(server) == addr_bytes_are_ipv4(own));
}

static bool add_edge(struct edges *edges, const struct edge *edge) {
    if (edges->n == edges->room) {
        size_t room = edges->room * 2 + 16;
        struct edge *more = reallocarray(edges->list, room, sizeof(*more));

        if (more == NULL)
            return false;
        edges->list = more;
        edges->room = room;
    }
    edges->list[edges->n++] = *edge;
    return true;
}

/* IPv4 is the same however it is written; interfaces are left to leads_to. */
static int compare_hosts(const struct addr *a, const struct addr *b) {
    unsigned char x[16], y[16];
    bool ip = addr_ipv6_bytes(a, x), other_ip = addr_ipv6_bytes(b, y);

    if (ip && other_ip)
        return memcmp(x, y, sizeof(x));
    return ip != other_ip ? (int)ip - (int)other_ip : addr_compare(a, b);
}

/* By port and address, and among equal ones in the order of the file. */
static int compare_doors(const void *a, const void *b) {
    const struct door *x = a, *y = b;
    int order = x->port < y->port ? -1 : x->port > y->port;

    if (order == 0)
        order = compare_hosts(&x->spec->addr, &y->spec->addr);
    return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

/* All addresses that are listened on, sorted. False without memory. */
static bool list_doors(const struct config *config, struct doors *doors) {
    size_t most = 0;

    for (size_t i = 0; i < config->n_listeners; i++)
        most += config->listeners[i].n_address;
    doors->list = calloc(most + 1, sizeof(*doors->list));
    if (doors->list == NULL)
        return false;
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];

        for (size_t k = 0; k < listener->n_address; k++)
            if (listener->upstream < config->n_upstreams && !listener->address[k].systemd) {
                const struct addr_spec *spec = &listener->address[k].spec;

                doors->list[doors->n] = (struct door){spec->port, spec, i, doors->n};
                doors->n++;
            }
    }
    qsort(doors->list, doors->n, sizeof(*doors->list), compare_doors);
    return true;
}

/* The first one that is not before this port and, unless it is NULL, this address. */
static size_t find_door(const struct doors *doors, unsigned port, const struct addr *addr) {
    size_t low = 0, high = doors->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct door *door = &doors->list[middle];
        bool before = door->port < port || (door->port == port && addr != NULL &&
                                            compare_hosts(&door->spec->addr, addr) < 0);

        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

/* The loopback may be every address of its port; another one is that alone. */
static bool find_edges(const struct config *config, const struct doors *doors, struct edges *edges,
                       size_t from, size_t server) {
    const struct addr_spec *spec = &config->upstreams[from].servers[server].address;
    unsigned char bytes[16];

    if (spec->form != ADDR_LITERAL || spec->addr.len == 0)
        return true;
    bool here = addr_ipv6_bytes(&spec->addr, bytes) && (is_loopback(bytes) || is_wildcard(bytes));
    unsigned port = addr_port(&spec->addr);
    for (size_t i = find_door(doors, port, here ? NULL : &spec->addr); i < doors->n; i++) {
        const struct door *door = &doors->list[i];

        if (door->port != port || (!here && compare_hosts(&door->spec->addr, &spec->addr) != 0))
            break;
        if (leads_to(&spec->addr, door->spec) &&
            !add_edge(edges, &(struct edge){from, config->listeners[door->listener].upstream,
                                            server, door->listener}))
            return false;
    }
    return true;
}

/* Edges are in the order of where they are from. */
static size_t first_edge(const struct edges *edges, size_t from) {
    size_t low = 0, high = edges->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (edges->list[middle].from < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* There are as many steps as upstreams at most. */
static bool leads_back(struct edges *edges, size_t at, size_t to) {
    if (at == to)
        return true;
    edges->seen[at] = true;
    for (size_t i = first_edge(edges, at); i < edges->n && edges->list[i].from == at; i++)
        if (!edges->seen[edges->list[i].to] && leads_back(edges, edges->list[i].to, to))
            return true;
    return false;
}

static void report_loop(const struct tree *tree, const struct config *config,
                        const struct edge *edge, struct problems *problems) {
    const struct listener_config *listener = &config->listeners[edge->listener];
    size_t section = 0, at;
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i <= edge->from; i++)
        section = tree_next(tree, section, SECTION_UPSTREAM);
    at = section;
    for (size_t i = 0; i <= edge->server; i++)
        at = tree_next(tree, at, SECTION_SERVER);
    const struct tree_value *value = tree_value(&tree->sections[at], OPT_server_address);
    problems_add(problems, value->line,
                 "%sserver %s is listener %s of this relayd itself: its connections would come "
                 "back for ever",
                 tree_where(tree, section, where),
                 config->upstreams[edge->from].servers[edge->server].name, listener->name);
}

void config_check_loops(const struct tree *tree, const struct config *config,
                        struct problems *problems) {
    struct edges edges = {.seen = calloc(config->n_upstreams + 1, sizeof(bool))};
    struct doors doors = {0};
    bool enough = list_doors(config, &doors) && edges.seen != NULL;

    for (size_t i = 0; i < config->n_upstreams && enough; i++)
        for (size_t k = 0; k < config->upstreams[i].n_servers && enough; k++)
            enough = find_edges(config, &doors, &edges, i, k);
    for (size_t i = 0; i < edges.n && enough; i++) {
        const struct edge *edge = &edges.list[i];

        memset(edges.seen, 0, config->n_upstreams);
        if ((i == 0 || edges.list[i - 1].from != edge->from ||
             edges.list[i - 1].server != edge->server) &&
            leads_back(&edges, edge->to, edge->from))
            report_loop(tree, config, edge, problems);
    }
    problems->out_of_memory |= !enough;
    free(doors.list);
    free(edges.list);
    free(edges.seen);
}
