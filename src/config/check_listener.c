#include <stdlib.h>
#include <string.h>

#include "config/build.h"

struct check {
    const struct tree *tree;
    size_t section;
    struct listener_config *listener;
    struct problems *problems;
};

/* A prefix of a list, and where the file has it. */
struct written {
    struct prefix prefix;
    const struct tree_value *value;
};

/* In the order of the prefixes, and among equal ones of the file. */
static int compare_prefixes(const void *a, const void *b) {
    const struct written *x = a, *y = b;
    int order = memcmp(x->prefix.bytes, y->prefix.bytes, sizeof x->prefix.bytes);

    if (order == 0)
        order = (int)x->prefix.bits - (int)y->prefix.bits;
    return order != 0 ? order : x->value < y->value ? -1 : x->value > y->value;
}

static bool same_prefix(const struct written *a, const struct written *b) {
    return a->prefix.bits == b->prefix.bits &&
           memcmp(a->prefix.bytes, b->prefix.bytes, sizeof a->prefix.bytes) == 0;
}

/* A prefix may stand once in a list, however it is written. Lists may be long: they are sorted
 * first. */
static void check_prefixes(const struct check *check, enum option_id list) {
    const struct tree_section *at = &check->tree->sections[check->section];
    struct written *all = calloc(at->n_values + 1, sizeof *all);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX];
    size_t n = 0, first = 0;
    const char *why;

    if (!all) {
        check->problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < at->n_values; i++) {
        all[n].value = &at->values[i];
        if (at->values[i].row == &option_infos[list] &&
            prefix_parse(at->values[i].text, &all[n].prefix, &why))
            n++;
    }
    qsort(all, n, sizeof *all, compare_prefixes);
    for (size_t i = 1; i < n; i++) {
        if (!same_prefix(&all[first], &all[i]))
            first = i;
        else
            problems_add(check->problems, all[i].value->line,
                         "%s%s: prefix %s is given twice; the first is on line %d",
                         tree_where(check->tree, check->section, where), option_infos[list].name,
                         problems_show(all[i].value->text, shown), all[first].value->line);
    }
    free(all);
}

/* Who may send the header, and whether it is taken, go together. */
static void check_proxy(const struct check *check) {
    const struct tree_section *at = &check->tree->sections[check->section];
    const struct tree_value *accept = tree_value(at, OPT_listener_accept_proxy);
    bool off = tree_is_default(at, OPT_listener_accept_proxy);
    bool senders = tree_value(at, OPT_listener_proxy_from);
    char where[TREE_WHERE_MAX];

    tree_where(check->tree, check->section, where);
    if (!off && !senders)
        problems_add(check->problems, accept->line,
                     "%saccept_proxy needs proxy_from: who may send the header, as in proxy_from = "
                     "{\"10.0.0.0/8\"}",
                     where);
    if (off && senders)
        problems_add(check->problems, at->given[OPT_listener_proxy_from],
                     "%sproxy_from has no meaning without accept_proxy = v1, v2 or any", where);
}

/* They are of the files that relayd makes. */
static void check_socket_access(const struct check *check) {
    static const enum option_id rows[] = {OPT_listener_socket_mode, OPT_listener_socket_user,
                                          OPT_listener_socket_group};
    const struct tree_section *at = &check->tree->sections[check->section];
    bool makes_files = false, systemd = false;
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < check->listener->n_address; i++) {
        makes_files |= addr_is_unix(&check->listener->address[i].spec.addr);
        systemd |= check->listener->address[i].systemd;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (tree_is_default(at, rows[i]))
            continue;
        check->listener->access_line = tree_value(at, rows[i])->line;
        if (!makes_files)
            problems_add(check->problems, check->listener->access_line,
                         systemd ? "%s%s has no meaning for sockets that systemd passes: their "
                                   "unit has SocketMode=, SocketUser= and SocketGroup="
                                 : "%s%s has no meaning without an address such as unix:/path",
                         tree_where(check->tree, check->section, where),
                         option_infos[rows[i]].name);
    }
}

void config_check_listener(const struct tree *tree, size_t section,
                           struct listener_config *listener, struct problems *problems) {
    const struct check check = {tree, section, listener, problems};

    check_proxy(&check);
    check_socket_access(&check);
    check_prefixes(&check, OPT_listener_proxy_from);
    check_prefixes(&check, OPT_listener_allow);
    check_prefixes(&check, OPT_listener_deny);
}
