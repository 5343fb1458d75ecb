/* Servers that are this relayd itself: a connection to one would come back for ever, each time as a
 * new one. A server at another listener's address is fine, unless the way leads back. What names
 * stand for is seen when they are dialled (listen/own.c). */
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "config/build.h"

/* A server of the upstream `from` is the listener that leads to the upstream `to`. */
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
    struct edge *list; /* in the order of the upstreams and servers that they are from */
    size_t n, room;
};

/* A walk along the edges (ring_note). */
struct stop {
    size_t index,
        /* when it was come to, from 1; and the first of those on the path that it leads back to */
        low;
    size_t next; /* edge to follow */
    size_t ring; /* 0: not known yet */
};

struct walk {
    struct stop *stops;     /* of the upstreams */
    size_t *path, *waiting; /* where the walk is; who has no ring yet */
    size_t n_path, n_waiting, n_seen, n_rings;
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

/* connect(2) takes the wildcard for 127.0.0.1 or ::1. False: it is no IP address. */
static bool bytes_dialled(const struct addr *to, unsigned char bytes[16]) {
    if (!addr_ipv6_bytes(to, bytes))
        return false;
    if (is_wildcard(bytes)) {
        bytes[12] = addr_bytes_are_ipv4(bytes) ? 127 : 0;
        bytes[15] = 1;
    }
    return true;
}

/* Whether whoever connects to this address is accepted there. What other addresses this machine has
 * is not known. */
static bool leads_to(const struct addr *to, const struct addr_spec *listened) {
    unsigned char server[16], own[16];

    if (listened->form == ADDR_LITERAL && addr_is_unix(&listened->addr))
        return addr_equal(&listened->addr, to);
    if (listened->form == ADDR_NAME || !bytes_dialled(to, server) ||
        addr_port(to) != listened->port)
        return false;
    bool here = is_loopback(server);
    if (listened->form == ADDR_ANY)
        return here;
    if (!addr_ipv6_bytes(&listened->addr, own))
        return false;
    if (is_wildcard(own)) /* [::] takes IPv4, too */
        return here && (!addr_bytes_are_ipv4(own) || addr_bytes_are_ipv4(server));
    if (IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)(const void *)own))
        return addr_equal(&listened->addr, to); /* on the same interface */
    return memcmp(server, own, sizeof(own)) == 0;
}

static bool add_edge(struct edges *edges, const struct edge *edge) {
    struct edge *list = grow_list(edges->list, edges->n, &edges->room, sizeof(*list));

    if (list == NULL)
        return false;
    edges->list = list;
    list[edges->n++] = *edge;
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

        for (size_t k = 0; k < listener->n_address; k++) {
            const struct addr_spec *spec = &listener->address[k].spec;

            if (listener->address[k].systemd || spec->form == ADDR_NAME)
                continue;
            doors->list[doors->n] = (struct door){spec->port, spec, i, doors->n};
            doors->n++;
        }
    }
    qsort(doors->list, doors->n, sizeof(*doors->list), compare_doors);
    return true;
}

/* The first one that is not before this port and address. */
static size_t find_door(const struct doors *doors, unsigned port, const struct addr *addr) {
    size_t low = 0, high = doors->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct door *door = &doors->list[middle];
        bool before =
            door->port < port || (door->port == port && compare_hosts(&door->spec->addr, addr) < 0);

        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

/* To wherever a listener's connections may go. */
static bool add_edges_by(const struct config *config, struct edges *edges, const struct edge *from,
                         size_t listener) {
    const struct listener_config *by = &config->listeners[listener];

    for (size_t i = 0; i <= by->n_routes; i++) {
        const struct edge edge = {from->from, listener_upstream(by, i), from->server, listener};

        if (edge.to != NO_UPSTREAM && !add_edge(edges, &edge))
            return false;
    }
    return true;
}

/* To those doors at this port and address that lead there. */
static bool find_edges_at(const struct config *config, const struct doors *doors,
                          struct edges *edges, const struct edge *from, const struct addr *host) {
    const struct addr_spec *spec = &config->upstreams[from->from].servers[from->server].address;
    unsigned port = addr_port(&spec->addr);

    for (size_t i = find_door(doors, port, host); i < doors->n; i++) {
        const struct door *door = &doors->list[i];

        if (door->port != port || compare_hosts(&door->spec->addr, host) != 0)
            break;
        if (leads_to(&spec->addr, door->spec) && !add_edges_by(config, edges, from, door->listener))
            return false;
    }
    return true;
}

/* A listener that takes this server's connections has its address, or is one of the wildcards. */
static bool find_edges(const struct config *config, const struct doors *doors, struct edges *edges,
                       size_t from, size_t server) {
    const struct addr_spec *spec = &config->upstreams[from].servers[server].address;
    const struct edge edge = {.from = from, .server = server};
    const struct addr any = {.len = 0},
                      any4 = {.u.in.sin_family = AF_INET, .len = sizeof(struct sockaddr_in)},
                      any6 = {.u.in6.sin6_family = AF_INET6, .len = sizeof(struct sockaddr_in6)};
    struct addr itself = spec->addr;
    unsigned char bytes[16];

    if (spec->form != ADDR_LITERAL || spec->addr.len == 0)
        return true;
    if (!bytes_dialled(&spec->addr, bytes))
        return find_edges_at(config, doors, edges, &edge, &itself);
    itself = (struct addr){.u.in6.sin6_family = AF_INET6, .len = sizeof(struct sockaddr_in6)};
    memcpy(&itself.u.in6.sin6_addr, bytes, sizeof(bytes));
    return find_edges_at(config, doors, edges, &edge, &itself) &&
           find_edges_at(config, doors, edges, &edge, &any) &&
           find_edges_at(config, doors, edges, &edge, &any4) &&
           find_edges_at(config, doors, edges, &edge, &any6);
}

/* ring_note: an edge is part of a ring if both its ends lead to each other: if they are in the same
 * strongly connected component (Tarjan, 1972), here without recursion. */
static void come_to(struct walk *walk, const struct edges *edges, size_t upstream) {
    size_t low = 0, high = edges->n;

    while (low < high) { /* its first edge */
        size_t middle = low + (high - low) / 2;

        if (edges->list[middle].from < upstream)
            low = middle + 1;
        else
            high = middle;
    }
    walk->n_seen++;
    walk->stops[upstream] = (struct stop){.index = walk->n_seen, .low = walk->n_seen, .next = low};
    walk->path[walk->n_path++] = walk->waiting[walk->n_waiting++] = upstream;
}

static void lead_back(struct stop *stop, size_t to) {
    stop->low = to < stop->low ? to : stop->low;
}

/* All that is reached from the path's last one has been. */
static void go_back(struct walk *walk) {
    size_t upstream = walk->path[--walk->n_path];
    const struct stop *stop = &walk->stops[upstream];

    if (walk->n_path > 0)
        lead_back(&walk->stops[walk->path[walk->n_path - 1]], stop->low);
    if (stop->low < stop->index)
        return;
    walk->n_rings++;
    while (stop->ring == 0)
        walk->stops[walk->waiting[--walk->n_waiting]].ring = walk->n_rings;
}

static void walk_from(struct walk *walk, const struct edges *edges, size_t upstream) {
    come_to(walk, edges, upstream);
    while (walk->n_path > 0) {
        size_t at = walk->path[walk->n_path - 1];
        struct stop *stop = &walk->stops[at];

        if (stop->next == edges->n || edges->list[stop->next].from != at) {
            go_back(walk);
            continue;
        }
        size_t to = edges->list[stop->next++].to;
        if (walk->stops[to].index == 0)
            come_to(walk, edges, to);
        else if (walk->stops[to].ring == 0)
            lead_back(stop, walk->stops[to].index);
    }
}

/* Where in the tree the last report was. */
struct place {
    size_t upstream, section; /* of so many upstreams, counted from 1 */
    size_t server, at;        /* and of its servers */
};

static void go_to(struct place *place, const struct tree *tree, const struct edge *edge) {
    while (place->upstream < edge->from + 1) {
        place->section = tree_next(tree, place->section, SECTION_UPSTREAM);
        place->upstream++;
        place->server = 0;
        place->at = place->section;
    }
    for (; place->server < edge->server + 1; place->server++)
        place->at = tree_next(tree, place->at, SECTION_SERVER);
}

static void report_loop(const struct tree *tree, const struct config *config, struct place *place,
                        const struct edge *edge, struct problems *problems) {
    const struct listener_config *listener = &config->listeners[edge->listener];
    char where[TREE_WHERE_MAX];

    go_to(place, tree, edge);
    const struct tree_value *value = tree_value(&tree->sections[place->at], OPT_server_address);
    problems_add(problems, value->line,
                 "%sserver %s is listener %s of this relayd itself: its connections would come "
                 "back for ever",
                 tree_where(tree, place->section, where),
                 config->upstreams[edge->from].servers[edge->server].name, listener->name);
}

/* Each server that is part of a ring, once. */
static void report_loops(const struct tree *tree, const struct config *config,
                         const struct edges *edges, const struct walk *walk,
                         struct problems *problems) {
    const struct edge *last = NULL;
    struct place place = {0};

    for (size_t i = 0; i < edges->n; i++) {
        const struct edge *edge = &edges->list[i];

        if (walk->stops[edge->from].ring != walk->stops[edge->to].ring ||
            (last != NULL && last->from == edge->from && last->server == edge->server))
            continue;
        report_loop(tree, config, &place, edge, problems);
        last = edge;
    }
}

static bool walk_begin(struct walk *walk, size_t n) {
    walk->stops = calloc(n + 1, sizeof(*walk->stops));
    walk->path = calloc(n + 1, sizeof(*walk->path));
    walk->waiting = calloc(n + 1, sizeof(*walk->waiting));
    return walk->stops != NULL && walk->path != NULL && walk->waiting != NULL;
}

void config_validate_loops(const struct tree *tree, const struct config *config,
                           struct problems *problems) {
    struct edges edges = {0};
    struct doors doors = {0};
    struct walk walk = {0};
    bool enough = walk_begin(&walk, config->n_upstreams) && list_doors(config, &doors);

    for (size_t i = 0; i < config->n_upstreams && enough; i++)
        for (size_t k = 0; k < config->upstreams[i].n_servers && enough; k++)
            enough = find_edges(config, &doors, &edges, i, k);
    for (size_t i = 0; i < config->n_upstreams && enough; i++)
        if (walk.stops[i].index == 0)
            walk_from(&walk, &edges, i);
    if (enough)
        report_loops(tree, config, &edges, &walk, problems);
    problems->out_of_memory |= !enough;
    free(doors.list);
    free(edges.list);
    free(walk.stops);
    free(walk.path);
    free(walk.waiting);
}
