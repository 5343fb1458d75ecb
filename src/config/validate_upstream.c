#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/build.h"

struct validation {
    const struct tree *tree;
    size_t section; /* the upstream's */
    const struct upstream_config *upstream;
    struct problems *problems;
};

/* What is written as the address of the n-th server; NULL: nothing. */
static const struct tree_value *written_address(const struct validation *validation, size_t n) {
    size_t at = tree_next(validation->tree, validation->section, SECTION_SERVER);

    for (; n > 0; n--)
        at = tree_next(validation->tree, at, SECTION_SERVER);
    return tree_value(&validation->tree->sections[at], OPT_server_address);
}

/* IPv4 is the same however it is written. */
static int compare_server_addrs(const struct addr_spec *a, const struct addr_spec *b) {
    const struct addr x = addr_unmapped(&a->addr), y = addr_unmapped(&b->addr);

    return addr_compare(&x, &y);
}

/* An address that is missing, or was not allowed, is the same as none. */
static bool same_place(const struct addr_spec *a, const struct addr_spec *b) {
    if (a->form != b->form)
        return false;
    if (a->form == ADDR_LITERAL)
        return a->addr.len != 0 && compare_server_addrs(a, b) == 0;
    return a->port == b->port && strcasecmp(a->name, b->name) == 0;
}

/* In the order of their places, and among equal ones of the file. */
static int compare_server_places(const void *a, const void *b) {
    const struct server_config *const *x = a, *const *y = b;
    const struct addr_spec *p = &(*x)->address, *q = &(*y)->address;
    int order = (int)p->form - (int)q->form;

    if (order == 0)
        order = p->form == ADDR_LITERAL ? compare_server_addrs(p, q) : strcasecmp(p->name, q->name);
    if (order == 0)
        order = p->port < q->port ? -1 : p->port > q->port;
    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

/* Two servers at one place would each get a share, and each be counted. There may be many: they are
 * sorted first. */
static void check_same(const struct validation *validation) {
    const struct server_config *servers = validation->upstream->servers;
    size_t n = validation->upstream->n_servers, first = 0;
    const struct server_config **all = calloc(n, sizeof(struct server_config *));
    char where[TREE_WHERE_MAX], place[PLACES_TEXT_MAX];

    if (all == NULL) {
        validation->problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        all[i] = &servers[i];
    qsort(all, n, sizeof(struct server_config *), compare_server_places);
    for (size_t i = 1; i < n; i++) {
        if (!same_place(&all[first]->address, &all[i]->address)) {
            first = i;
            continue;
        }
        int line = written_address(validation, (size_t)(all[i] - servers))->line;
        int before = written_address(validation, (size_t)(all[first] - servers))->line;
        problems_add(validation->problems, line,
                     "%sserver %s has the address of server %s, on %s; give that one more "
                     "weight instead",
                     tree_where(validation->tree, validation->section, where), all[i]->name,
                     all[first]->name, places_say(&validation->tree->places, line, before, place));
    }
    free(all);
}

/* Each local address stands once, and is one. */
static void check_sources(const struct validation *validation) {
    const struct tree_section *at = &validation->tree->sections[validation->section];
    const struct tree_value *given[SOURCES_MOST];
    struct addr addrs[SOURCES_MOST], addr;
    char where[TREE_WHERE_MAX], place[PLACES_TEXT_MAX];
    size_t n = 0, same;
    const char *why;

    tree_where(validation->tree, validation->section, where);
    for (size_t i = 0; i < at->n_values; i++) {
        const struct tree_value *value = &at->values[i];

        if (value->row != &option_infos[OPT_upstream_source_address])
            continue;
        if (value->text[0] == '\0' && validation->upstream->source_address.n > 0)
            problems_add(validation->problems, value->line,
                         "%ssource_address: \"\" stands for the kernel's choice, and not beside an "
                         "address",
                         where);
        if (!addr_parse_ip(value->text, &addr, &why))
            continue;
        for (same = 0; same < n && !addr_equal(&addrs[same], &addr); same++)
            ;
        if (same < n) {
            problems_add(
                validation->problems, value->line,
                "%ssource_address: %s is given twice; the first is on %s", where, value->text,
                places_say(&validation->tree->places, value->line, given[same]->line, place));
        } else if (n == SOURCES_MOST) {
            problems_add(validation->problems, value->line,
                         "%ssource_address: %s: there may be %d addresses at most", where,
                         value->text, SOURCES_MOST);
            return;
        } else {
            addrs[n] = addr;
            given[n++] = value;
        }
    }
}

/* Some local address must be of the server's family. */
static void check_source(const struct validation *validation, size_t n) {
    const struct server_config *server = &validation->upstream->servers[n];
    const struct source_list *sources = &validation->upstream->source_address;
    const struct addr *to = &server->address.addr;
    char where[TREE_WHERE_MAX];

    if (sources->n == 0 || server->address.form != ADDR_LITERAL || addr_is_unix(to) || to->len == 0)
        return;
    for (size_t i = 0; i < sources->n; i++)
        if (sources->addrs[i].u.sa.sa_family == to->u.sa.sa_family)
            return;
    tree_where(validation->tree, validation->section, where);
    if (sources->n == 1)
        problems_add(validation->problems, written_address(validation, n)->line,
                     "%ssource_address = %s cannot reach server %s: one is IPv4, the other IPv6",
                     where, sources->texts[0], server->name);
    else
        problems_add(validation->problems, written_address(validation, n)->line,
                     "%ssource_address cannot reach server %s: none of its addresses is IPv%d",
                     where, server->name, to->u.sa.sa_family == AF_INET ? 4 : 6);
}

/* Whom would they stand in for? (Servers with weight 0 are another thing: they are drained, and
 * backups serve.) */
static void check_some_are_no_backup(const struct validation *validation) {
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < validation->upstream->n_servers; i++)
        if (!validation->upstream->servers[i].backup)
            return;
    problems_add(
        validation->problems, validation->tree->sections[validation->section].line,
        "%sno server is there that the backups could stand in for: one must be no backup; with "
        "weight = 0 it gets no connections",
        tree_where(validation->tree, validation->section, where));
}

#define TYPE(type) (1u << CHECK_##type)

/* What has a meaning for some types of checks alone; elsewhere the default does no harm
 * (conf/relayd.conf and --dump have it). */
static const struct {
    enum option_id id;
    unsigned types;
    const char *names;
} typed[] = {
    {OPT_health_check_path, TYPE(HTTP), "http"},
    {OPT_health_check_host, TYPE(HTTP), "http"},
    {OPT_health_check_user, TYPE(MYSQL) | TYPE(POSTGRES), "mysql or postgres"},
    {OPT_health_check_send, TYPE(TALK), "talk"},
    {OPT_health_check_expect, TYPE(HTTP) | TYPE(TALK), "http or talk"},
};

static void check_typed_options(const struct validation *validation) {
    const struct tree *tree = validation->tree;
    struct health_check_config read = {.type = CHECK_TCP};
    char where[TREE_WHERE_MAX];

    if (!validation->upstream->health_check.given)
        return;
    size_t at = tree_next(tree, validation->section, SECTION_HEALTH_CHECK);
    const struct tree_section *section = &tree->sections[at];
    const struct tree_value *type = tree_value(section, OPT_health_check_type);
    if (type != NULL && !options_parse(type->row, type->text, &read))
        return; /* which was told */
    for (size_t i = 0; i < ARRAY_LEN(typed); i++)
        if ((typed[i].types & 1u << read.type) == 0 && !tree_is_default(section, typed[i].id))
            problems_add(validation->problems, tree_value(section, typed[i].id)->line,
                         "%s%s has no meaning without type = %s", tree_where(tree, at, where),
                         option_infos[typed[i].id].name, typed[i].names);
    if (read.type == CHECK_TALK && tree_value(section, OPT_health_check_expect) == NULL)
        problems_add(validation->problems, section->line,
                     "%sexpect must be given with type = talk, as in expect = \"+PONG\"",
                     tree_where(tree, at, where));
}

void config_validate_upstream(const struct tree *tree, size_t section,
                              const struct upstream_config *upstream, struct problems *problems) {
    const struct validation validation = {tree, section, upstream, problems};
    char where[TREE_WHERE_MAX];

    if (upstream->n_servers == 0) {
        problems_add(problems, tree->sections[section].line,
                     "%sa server must be given, as in server a { address = \"127.0.0.1:80\" }",
                     tree_where(tree, section, where));
        return;
    }
    check_same(&validation);
    check_sources(&validation);
    for (size_t i = 0; i < upstream->n_servers; i++)
        check_source(&validation, i);
    check_some_are_no_backup(&validation);
    check_typed_options(&validation);
}
