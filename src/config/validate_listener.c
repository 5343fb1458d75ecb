#include <stdlib.h>
#include <string.h>

#include "config/build.h"
#include "config/error_pages.h"

struct validation {
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
static void check_prefixes(const struct validation *validation, enum option_id list) {
    const struct tree_section *at = &validation->tree->sections[validation->section];
    struct written *all = calloc(at->n_values + 1, sizeof *all);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], place[PLACES_TEXT_MAX];
    size_t n = 0, first = 0;
    const char *why;

    if (!all) {
        validation->problems->out_of_memory = true;
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
            problems_add(validation->problems, all[i].value->line,
                         "%s%s: prefix %s is given twice; the first is on %s",
                         tree_where(validation->tree, validation->section, where),
                         option_infos[list].name, problems_show(all[i].value->text, shown),
                         places_say(&validation->tree->places, all[i].value->line,
                                    all[first].value->line, place));
    }
    free(all);
}

/* Who may send the header, and whether it is taken, go together. */
static void check_proxy(const struct validation *validation) {
    const struct tree_section *at = &validation->tree->sections[validation->section];
    const struct tree_value *accept = tree_value(at, OPT_listener_accept_proxy);
    bool off = tree_is_default(at, OPT_listener_accept_proxy);
    bool senders = tree_value(at, OPT_listener_proxy_from);
    char where[TREE_WHERE_MAX];

    tree_where(validation->tree, validation->section, where);
    if (!off && !senders)
        problems_add(validation->problems, accept->line,
                     "%saccept_proxy needs proxy_from: who may send the header, as in proxy_from = "
                     "{\"10.0.0.0/8\"}",
                     where);
    if (off && senders)
        problems_add(validation->problems, at->given[OPT_listener_proxy_from],
                     "%sproxy_from has no meaning without accept_proxy = v1, v2 or any", where);
}

/* They are of the files that relayd makes. */
static void check_socket_access(const struct validation *validation) {
    static const enum option_id rows[] = {OPT_listener_socket_mode, OPT_listener_socket_user,
                                          OPT_listener_socket_group};
    const struct tree_section *at = &validation->tree->sections[validation->section];
    bool makes_files = false, systemd = false;
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < validation->listener->n_address; i++) {
        makes_files |= addr_is_unix(&validation->listener->address[i].spec.addr);
        systemd |= validation->listener->address[i].systemd;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (tree_is_default(at, rows[i]))
            continue;
        validation->listener->access_line = tree_value(at, rows[i])->line;
        if (!makes_files)
            problems_add(validation->problems, validation->listener->access_line,
                         systemd ? "%s%s has no meaning for sockets that systemd passes: their "
                                   "unit has SocketMode=, SocketUser= and SocketGroup="
                                 : "%s%s has no meaning without an address such as unix:/path",
                         tree_where(validation->tree, validation->section, where),
                         option_infos[rows[i]].name);
    }
}

struct page_problem {
    const struct validation *validation;
    const struct tree_value *value;
};

static void note_page_problem(void *arg, const char *what) {
    const struct page_problem *problem = arg;
    const struct validation *validation = problem->validation;
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX];

    problems_add(validation->problems, problem->value->line, "%serror_pages = %s: %s",
                 tree_where(validation->tree, validation->section, where),
                 problems_show(problem->value->text, shown), what);
}

/* All pages are there before the first answer. */
static void read_error_pages(const struct validation *validation) {
    struct listener_config *listener = validation->listener;
    const struct tree_section *at = &validation->tree->sections[validation->section];
    struct page_problem problem = {validation, tree_value(at, OPT_listener_error_pages)};
    char where[TREE_WHERE_MAX];

    if (listener->error_pages == NULL || listener->error_pages[0] != '/')
        return; /* none, or text_options.c has told */
    if (listener->mode != MODE_HTTP) {
        problems_add(validation->problems, problem.value->line,
                     "%serror_pages has no meaning without mode = http",
                     tree_where(validation->tree, validation->section, where));
        return;
    }
    size_t before = validation->problems->n;
    listener->pages = error_pages_read(listener->error_pages, note_page_problem, &problem);
    if (listener->pages == NULL && validation->problems->n == before)
        validation->problems->out_of_memory = true;
}

void config_validate_listener(const struct tree *tree, size_t section,
                              struct listener_config *listener, struct problems *problems) {
    const struct validation validation = {tree, section, listener, problems};

    check_proxy(&validation);
    check_socket_access(&validation);
    check_prefixes(&validation, OPT_listener_proxy_from);
    check_prefixes(&validation, OPT_listener_allow);
    check_prefixes(&validation, OPT_listener_deny);
    check_prefixes(&validation, OPT_listener_trusted_proxies);
    read_error_pages(&validation);
    config_validate_routes(tree, section, listener, problems);
}
