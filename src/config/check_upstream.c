#include <string.h>

#include "config/build.h"

struct check {
    const struct tree *tree;
    size_t section; /* the upstream's */
    const struct upstream_config *upstream;
    struct problems *problems;
};

static int line_of_address(const struct check *check, const struct server_config *server) {
    const struct tree *tree = check->tree;

    for (size_t i = check->section + 1; i < tree->n && tree->sections[i].parent == check->section;
         i++)
        if (tree->sections[i].kind == SECTION_SERVER && tree->sections[i].line == server->line &&
            tree->sections[i].given[OPT_server_address] != 0)
            return tree->sections[i].given[OPT_server_address];
    return server->line;
}

/* Two servers at one place would each get a share, and each be counted. */
static void check_same(const struct check *check, size_t n) {
    const struct server_config *servers = check->upstream->servers, *last = &servers[n];
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < n; i++) {
        if (servers[i].address.form != ADDR_LITERAL || last->address.form != ADDR_LITERAL ||
            !addr_equal(&servers[i].address.addr, &last->address.addr))
            continue;
        problems_add(check->problems, line_of_address(check, last),
                     "%sserver %s has the address of server %s, on line %d; give that one more "
                     "weight instead",
                     tree_where(check->tree, check->section, where), last->name, servers[i].name,
                     line_of_address(check, &servers[i]));
        return;
    }
}

static void check_source(const struct check *check, const struct server_config *server) {
    const struct addr *source = &check->upstream->source, *to = &server->address.addr;
    char where[TREE_WHERE_MAX];

    if (source->len == 0 || server->address.form != ADDR_LITERAL || addr_is_unix(to) ||
        to->len == 0 || to->u.sa.sa_family == source->u.sa.sa_family)
        return;
    problems_add(check->problems, line_of_address(check, server),
                 "%ssource_address = %s cannot reach server %s: one is IPv4, the other IPv6",
                 tree_where(check->tree, check->section, where), check->upstream->source_address,
                 server->name);
}

static void check_some_take(const struct check *check) {
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < check->upstream->n_servers; i++)
        if (check->upstream->servers[i].weight > 0 && !check->upstream->servers[i].backup)
            return;
    problems_add(
        check->problems, check->tree->sections[check->section].line,
        "%sno server would take new connections: one that is no backup must have a weight above 0",
        tree_where(check->tree, check->section, where));
}

/* What has a meaning for type = http alone; the default does no harm (conf/relayd.conf has it). */
static void check_http_options(const struct check *check) {
    static const enum option_id http[] = {OPT_health_check_path, OPT_health_check_host,
                                          OPT_health_check_expect};
    const struct tree *tree = check->tree;
    char where[TREE_WHERE_MAX];

    for (size_t i = check->section + 1; i < tree->n && tree->sections[i].parent == check->section;
         i++) {
        for (size_t k = 0; k < ARRAY_LEN(http); k++) {
            const struct tree_value *value = tree_value(&tree->sections[i], http[k]);

            if (value == NULL || check->upstream->health_check.type == CHECK_HTTP ||
                strcmp(value->text, value->row->default_text) == 0)
                continue;
            problems_add(check->problems, value->line, "%s%s has no meaning without type = http",
                         tree_where(tree, i, where), value->row->name);
        }
    }
}

void config_check_upstream(const struct tree *tree, size_t section,
                           const struct upstream_config *upstream, struct problems *problems) {
    const struct check check = {tree, section, upstream, problems};
    char where[TREE_WHERE_MAX];

    if (upstream->n_servers == 0) {
        problems_add(problems, tree->sections[section].line,
                     "%sa server must be given, as in server a { address = \"127.0.0.1:80\" }",
                     tree_where(tree, section, where));
        return;
    }
    for (size_t i = 0; i < upstream->n_servers; i++) {
        check_same(&check, i);
        check_source(&check, &upstream->servers[i]);
    }
    check_some_take(&check);
    check_http_options(&check);
}
