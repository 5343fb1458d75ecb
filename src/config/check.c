#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/build.h"
#include "config/options.h"
#include "config/unknown.h"

#define LIST_MAX 256

struct check {
    const struct tree *tree;
    struct config *config;
    struct problems *problems;
};

static void check_missing(const struct check *check, size_t section) {
    static const char *const examples[] = {
        [OPTION_ADDRESSES] = "\":8080\"",
        [OPTION_ADDRESS] = "\"127.0.0.1:80\"",
        [OPTION_UPSTREAM] = "app",
    };
    const struct tree_section *at = &check->tree->sections[section];
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != at->kind || row->default_text)
            continue;
        tree_where(check->tree, section, where);
        if (at->given[i] == 0)
            problems_add(check->problems, at->line, "%s%s must be given, as in %s = %s", where,
                         row->name, row->name, examples[row->type]);
        else if (row->type == OPTION_ADDRESSES && !tree_value(at, (enum option_id)i))
            problems_add(check->problems, at->given[i], "%s%s = {}: must have at least one address",
                         where, row->name);
    }
}

/* By parent, kind and title, and among equal ones in the order of the file. */
static int compare_titles(const void *a, const void *b) {
    const struct tree_section *const *x = a, *const *y = b;
    int order = (*x)->parent < (*y)->parent ? -1 : (*x)->parent > (*y)->parent;

    if (order == 0)
        order = (int)(*x)->kind - (int)(*y)->kind;
    if (order == 0)
        order = strcmp((*x)->title, (*y)->title);
    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

static bool same_title(const struct tree_section *a, const struct tree_section *b) {
    return a->parent == b->parent && a->kind == b->kind && strcmp(a->title, b->title) == 0;
}

/* A title may stand once among its kind, in its parent. There may be many: they are sorted first. */
static void check_titles(const struct check *check) {
    const struct tree *tree = check->tree;
    const struct tree_section **all = calloc(tree->n, sizeof(struct tree_section *));
    char where[TREE_WHERE_MAX];
    size_t first = 1;

    if (!all) {
        check->problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < tree->n; i++)
        all[i] = &tree->sections[i];
    if (tree->n > 1)
        qsort(all + 1, tree->n - 1, sizeof(struct tree_section *), compare_titles);
    for (size_t i = 2; i < tree->n; i++) {
        if (!same_title(all[first], all[i])) {
            first = i;
            continue;
        }
        tree_where(tree, (size_t)(all[i] - tree->sections), where);
        where[strlen(where) - strlen(": ")] = '\0';
        problems_add(check->problems, all[i]->line, "%s is given twice; the first is on line %d",
                     where, all[first]->line);
    }
    free(all);
}

static bool find_upstream(const struct config *config, const char *name, size_t *ret) {
    for (size_t i = 0; i < config->n_upstreams; i++) {
        if (strcmp(config->upstreams[i].name, name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* "did you mean "app"?" or "known are "app", "b"" */
static void suggest_upstream(const struct config *config, const char *name, char *buf,
                             size_t size) {
    const char *before = "known are ";

    buf[0] = '\0';
    for (size_t i = 0; i < config->n_upstreams; i++) {
        const char *known = config->upstreams[i].name;

        if (unknown_is_near(name, known)) {
            buf[0] = '\0';
            text_append(buf, size, "did you mean \"%s\"?", known);
            return;
        }
        text_append(buf, size, "%s\"%s\"", before, known);
        before = ", ";
    }
    if (config->n_upstreams == 0)
        text_append(buf, size, "there is no upstream section at all");
}

static void check_upstream_name(const struct check *check, size_t section,
                                struct listener_config *listener) {
    const struct tree_value *value =
        tree_value(&check->tree->sections[section], OPT_listener_upstream);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], suggested[LIST_MAX];

    if (!value || find_upstream(check->config, value->text, &listener->upstream))
        return;
    suggest_upstream(check->config, value->text, suggested, sizeof suggested);
    problems_add(check->problems, value->line, "%supstream \"%s\" does not exist; %s",
                 tree_where(check->tree, section, where), problems_show(value->text, shown),
                 suggested);
}

static void check_listener(const struct check *check, size_t section,
                           struct listener_config *listener) {
    check_upstream_name(check, section, listener);
    config_check_listener(check->tree, section, listener, check->problems);
}

/* One address that is listened on, and where the file says so. */
struct listened {
    const struct tree_value *value;
    size_t section;
    bool systemd;
    struct addr_spec spec;
};

/* Whether both bind the same: a port alone is [::], and a name is itself. "systemd" is another set
 * of sockets in each listener. */
static bool same_address(const struct listened *a, const struct listened *b) {
    static const struct in6_addr any = IN6ADDR_ANY_INIT;
    const struct addr_spec *x = &a->spec, *y = &b->spec;

    if (a->systemd || b->systemd)
        return a->systemd && b->systemd && a->section == b->section;
    if (x->form == ADDR_LITERAL && y->form == ADDR_ANY) {
        x = &b->spec;
        y = &a->spec;
    }
    if (x->form == ADDR_ANY && y->form == ADDR_LITERAL)
        return y->addr.u.sa.sa_family == AF_INET6 && y->port == x->port &&
               memcmp(&y->addr.u.in6.sin6_addr, &any, sizeof any) == 0;
    if (x->form != y->form)
        return false;
    if (x->form == ADDR_LITERAL)
        return addr_equal(&x->addr, &y->addr);
    return x->port == y->port && strcasecmp(x->name, y->name) == 0;
}

static void compare_address(const struct check *check, const struct listened *all, size_t n) {
    const struct listened *last = &all[n - 1];
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX];

    for (size_t i = 0; i + 1 < n; i++) {
        if (!same_address(&all[i], last))
            continue;
        problems_add(check->problems, last->value->line,
                     "%saddress %s is listened on twice; the first is on line %d",
                     tree_where(check->tree, last->section, where),
                     problems_show(last->value->text, shown), all[i].value->line);
        return;
    }
}

/* Every address of every listener, against those before it. */
static void check_addresses(const struct check *check) {
    const struct tree *tree = check->tree;
    struct listened *all;
    size_t n = 0, most = 0;
    const char *why;

    for (size_t i = 0; i < tree->n; i++)
        most += tree->sections[i].n_values;
    all = calloc(most + 1, sizeof *all);
    if (!all) {
        check->problems->out_of_memory = true;
        return;
    }
    for (size_t i = tree_next(tree, 0, SECTION_LISTENER); i < tree->n;
         i = tree_next(tree, i, SECTION_LISTENER)) {
        for (size_t j = 0; j < tree->sections[i].n_values; j++) {
            const struct tree_value *value = &tree->sections[i].values[j];
            bool systemd = strcmp(value->text, "systemd") == 0;

            if (value->row->type != OPTION_ADDRESSES)
                continue;
            all[n] = (struct listened){.value = value, .section = i, .systemd = systemd};
            if (systemd || addr_parse(value->text, &all[n].spec, &why))
                compare_address(check, all, ++n);
        }
    }
    free(all);
}

void config_check(const struct tree *tree, struct config *config, struct problems *problems) {
    struct check check = {tree, config, problems};
    size_t listeners = 0, upstreams = 0;

    check_titles(&check);
    for (size_t i = 1; i < tree->n; i++) {
        check_missing(&check, i);
        if (tree->sections[i].kind == SECTION_LISTENER)
            check_listener(&check, i, &config->listeners[listeners++]);
        else if (tree->sections[i].kind == SECTION_UPSTREAM)
            config_check_upstream(tree, i, &config->upstreams[upstreams++], problems);
    }
    check_addresses(&check);
    config_check_loops(tree, config, problems);
    if (config->n_listeners == 0)
        problems_add(problems, tree->last_line,
                     "there is no listener section, so no client could connect; add one, as in "
                     "listener web { address = \":8080\" upstream = app }");
    if (config->n_upstreams == 0)
        problems_add(problems, tree->last_line,
                     "there is no upstream section, so connections have nowhere to go; add one, as "
                     "in upstream app { server a { address = \"127.0.0.1:80\" } }");
}
