#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/build.h"
#include "config/options.h"
#include "config/suggest.h"

#define LIST_MAX 256

struct validation {
    const struct tree *tree;
    struct config *config;
    struct problems *problems;
    const struct upstream_config **by_name;
};

static bool has_text(const struct tree_section *section, enum option_id id, const char *text) {
    const struct tree_value *value = tree_value(section, id);

    return value != NULL && strcmp(value->text, text) == 0;
}

/* Routes have upstreams of their own; in mode http they need none (validate_http.c). */
static bool may_be_missing(const struct tree *tree, size_t section, enum option_id id) {
    const struct tree_section *at = &tree->sections[section];

    if (id == OPT_listener_upstream)
        return tree_inside(tree, section, SECTION_ROUTE) < tree->n ||
               tree_value(at, OPT_listener_redirect) != NULL;
    return id == OPT_route_upstream &&
           has_text(&tree->sections[at->parent], OPT_listener_mode, "http");
}

static void check_missing(const struct validation *validation, size_t section) {
    static const char *const examples[] = {
        [OPTION_ADDRESSES] = "\":8080\"",
        [OPTION_ADDRESS] = "\"127.0.0.1:80\"",
        [OPTION_UPSTREAM] = "app",
        [OPTION_TEXTS] = "\"/etc/relayd/tls/site.pem\"",
    };
    const struct tree_section *at = &validation->tree->sections[section];
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != at->kind || row->default_text ||
            may_be_missing(validation->tree, section, (enum option_id)i))
            continue;
        tree_where(validation->tree, section, where);
        if (at->given[i] == 0)
            problems_add(validation->problems, at->line, "%s%s must be given, as in %s = %s", where,
                         row->name, row->name, examples[row->type]);
        else if (options_is_list(row) && !tree_value(at, (enum option_id)i))
            problems_add(validation->problems, at->given[i], "%s%s = {}: must have at least one %s",
                         where, row->name, row->type == OPTION_ADDRESSES ? "address" : "file");
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

/* Of routes, their patterns say it (validate_routes.c). */
static bool same_title(const struct tree_section *a, const struct tree_section *b) {
    return a->kind != SECTION_ROUTE && a->parent == b->parent && a->kind == b->kind &&
           strcmp(a->title, b->title) == 0;
}

/* A title may stand once among its kind, in its parent. There may be many: they are sorted
 * first. */
static void check_titles(const struct validation *validation) {
    const struct tree *tree = validation->tree;
    const struct tree_section **all = calloc(tree->n, sizeof(struct tree_section *));
    char where[TREE_WHERE_MAX], place[PLACES_TEXT_MAX];
    size_t first = 1;

    if (!all) {
        validation->problems->out_of_memory = true;
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
        problems_add(validation->problems, all[i]->line, "%s is given twice; the first is on %s",
                     where, places_say(&tree->places, all[i]->line, all[first]->line, place));
    }
    free(all);
}

static int compare_upstream_configs(const void *a, const void *b) {
    const struct upstream_config *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);

    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

static int match_config_name(const void *name, const void *element) {
    const struct upstream_config *const *upstream = element;

    return strcmp(name, (*upstream)->name);
}

/* Upstreams may be many: they are sorted first. False without memory. */
static bool sort_upstreams(struct validation *validation) {
    const struct config *config = validation->config;

    validation->by_name = calloc(config->n_upstreams + 1, sizeof(struct upstream_config *));
    for (size_t i = 0; validation->by_name && i < config->n_upstreams; i++)
        validation->by_name[i] = &config->upstreams[i];
    if (validation->by_name)
        qsort(validation->by_name, config->n_upstreams, sizeof(struct upstream_config *),
              compare_upstream_configs);
    return validation->by_name != NULL;
}

static bool find_upstream(const struct validation *validation, const char *name, size_t *ret) {
    const struct upstream_config **at =
        bsearch(name, validation->by_name, validation->config->n_upstreams,
                sizeof(struct upstream_config *), match_config_name);

    if (at)
        *ret = (size_t)(*at - validation->config->upstreams);
    return at != NULL;
}

/* "did you mean "app"?" or "known are "app", "b"" */
static void suggest_upstream(const struct config *config, const char *name, char *buf,
                             size_t size) {
    const char *before = "known are ";

    buf[0] = '\0';
    for (size_t i = 0; i < config->n_upstreams; i++) {
        const char *known = config->upstreams[i].name;

        if (suggest_is_near(name, known)) {
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

/* Finds the upstream that the option names. */
static void check_upstream_name(const struct validation *validation, size_t section,
                                enum option_id option, size_t *ret) {
    const struct tree_value *value = tree_value(&validation->tree->sections[section], option);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], suggested[LIST_MAX];

    if (!value || find_upstream(validation, value->text, ret))
        return;
    suggest_upstream(validation->config, value->text, suggested, sizeof suggested);
    problems_add(validation->problems, value->line, "%supstream \"%s\" does not exist; %s",
                 tree_where(validation->tree, section, where), problems_show(value->text, shown),
                 suggested);
}

static void check_listener(const struct validation *validation, size_t section,
                           struct listener_config *listener) {
    size_t at = section;

    check_upstream_name(validation, section, OPT_listener_upstream, &listener->upstream);
    for (size_t i = 0; i < listener->n_routes; i++) {
        at = tree_next(validation->tree, at, SECTION_ROUTE);
        check_upstream_name(validation, at, OPT_route_upstream, &listener->routes[i].upstream);
    }
    config_validate_listener(validation->tree, section, listener, validation->problems);
    config_validate_http(validation->tree, section, listener, validation->problems);
    config_validate_tls(validation->tree, section, validation->config, listener,
                        validation->problems);
}

static void check_upstream(const struct validation *validation, size_t section,
                           struct upstream_config *upstream) {
    config_validate_upstream(validation->tree, section, upstream, validation->problems);
    config_validate_upstream_tls(validation->tree, section, validation->config, upstream,
                                 validation->problems);
}

/* One address that is listened on, and where the file says so. */
struct listened {
    const struct tree_value *value;
    size_t section;
    size_t number; /* in the order of the file */
    bool systemd;
    struct addr_spec spec;
};

/* What it binds: a port alone is [::], and a name is itself. "systemd" is another set of sockets in
 * each listener. */
static struct addr_spec place_of(const struct listened *one) {
    struct addr_spec place = one->spec;

    if (!one->systemd && (place.form == ADDR_LITERAL || place.form == ADDR_ANY)) {
        place.addr = addr_to_bind(&place);
        place.form = ADDR_LITERAL;
    }
    return place;
}

static int compare_sizes(size_t a, size_t b) {
    return a < b ? -1 : a > b;
}

static int compare_listened_addrs(const struct listened *a, const struct listened *b) {
    const struct addr_spec x = place_of(a), y = place_of(b);

    if (a->systemd || b->systemd)
        return a->systemd != b->systemd ? compare_sizes(a->systemd, b->systemd)
                                        : compare_sizes(a->section, b->section);
    if (x.form != y.form)
        return compare_sizes(x.form, y.form);
    if (x.form == ADDR_LITERAL)
        return addr_compare(&x.addr, &y.addr);
    return x.port != y.port ? compare_sizes(x.port, y.port) : strcasecmp(x.name, y.name);
}

/* Equal ones in the order of the file. */
static int compare_listened(const void *a, const void *b) {
    const struct listened *x = a, *y = b;
    int order = compare_listened_addrs(x, y);

    return order != 0 ? order : compare_sizes(x->number, y->number);
}

static void report_twice(const struct validation *validation, const struct listened *first,
                         const struct listened *again) {
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], place[PLACES_TEXT_MAX];

    problems_add(
        validation->problems, again->value->line,
        "%s%s %s is listened on twice; the first is on %s",
        tree_where(validation->tree, again->section, where), again->value->row->name,
        problems_show(again->value->text, shown),
        places_say(&validation->tree->places, again->value->line, first->value->line, place));
}

static bool listens(const struct tree_section *section) {
    return section->kind == SECTION_LISTENER || section->kind == SECTION_STATUS ||
           section->kind == SECTION_GLOBAL;
}

/* False: it names no address, or none that is allowed. */
static bool read_listened(const struct tree_value *value, struct listened *ret) {
    bool path = value->row == &option_infos[OPT_global_control] ||
                value->row == &option_infos[OPT_global_keeper];
    char text[PATH_MAX + sizeof("unix:")];
    const char *why;

    if (path && value->text[0] == '/') {
        snprintf(text, sizeof(text), "unix:%s", value->text);
        return addr_parse(text, &ret->spec, &why);
    }
    ret->systemd = strcmp(value->text, "systemd") == 0;
    return value->row->type == OPTION_ADDRESSES &&
           (ret->systemd || addr_parse(value->text, &ret->spec, &why));
}

/* Every address of every listener, of the status section, and of what listens besides: the control
 * socket, and relayd-keeper. There may be many: they are sorted first. */
static void check_addresses(const struct validation *validation) {
    const struct tree *tree = validation->tree;
    struct listened *all;
    size_t n = 0, most = 0, first = 0;

    for (size_t i = 0; i < tree->n; i++)
        most += listens(&tree->sections[i]) ? tree->sections[i].n_values : 0;
    all = calloc(most + 1, sizeof *all);
    if (!all) {
        validation->problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < tree->n; i++) {
        for (size_t j = 0; listens(&tree->sections[i]) && j < tree->sections[i].n_values; j++) {
            const struct tree_value *value = &tree->sections[i].values[j];

            all[n] = (struct listened){.value = value, .section = i, .number = n};
            if (read_listened(value, &all[n]))
                n++;
        }
    }
    qsort(all, n, sizeof *all, compare_listened);
    for (size_t i = 1; i < n; i++) {
        if (compare_listened_addrs(&all[first], &all[i]) != 0)
            first = i;
        else
            report_twice(validation, &all[first], &all[i]);
    }
    free(all);
}

static void note_who_serves_http(struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];

        for (size_t k = 0; listener->mode == MODE_HTTP && k <= listener->n_routes; k++)
            if (listener_upstream(listener, k) != NO_UPSTREAM)
                config->upstreams[listener_upstream(listener, k)].serves_http = true;
    }
}

/* Not where all requests are redirected, or no route takes them. A route that names an upstream
 * has been told that there is none. */
static bool needs_upstream(const struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].n_routes == 0 && config->listeners[i].own.redirect[0] == '\0')
            return true;
    return config->n_listeners == 0;
}

void config_validate(const struct tree *tree, struct config *config, struct problems *problems) {
    struct validation validation = {tree, config, problems, NULL};
    size_t listeners = 0, upstreams = 0;

    if (!sort_upstreams(&validation)) {
        problems->out_of_memory = true;
        return;
    }
    check_titles(&validation);
    if (!tree_is_default(&tree->sections[0], OPT_global_control))
        config->global.control_line = tree_value(&tree->sections[0], OPT_global_control)->line;
    if (!tree_is_default(&tree->sections[0], OPT_global_access_log))
        config->global.access_log_line =
            tree_value(&tree->sections[0], OPT_global_access_log)->line;
    for (size_t i = 1; i < tree->n; i++) {
        check_missing(&validation, i);
        if (tree->sections[i].kind == SECTION_LISTENER)
            check_listener(&validation, i, &config->listeners[listeners++]);
        else if (tree->sections[i].kind == SECTION_UPSTREAM)
            check_upstream(&validation, i, &config->upstreams[upstreams++]);
    }
    free(validation.by_name);
    note_who_serves_http(config);
    check_addresses(&validation);
    config_validate_balance(tree, config, problems);
    config_validate_loops(tree, config, problems);
    config_validate_alpn(tree, config, problems);
    if (config->n_listeners == 0)
        problems_add(problems, tree->last_line,
                     "there is no listener section, so no client could connect; add one, as in "
                     "listener web { address = \":8080\" upstream = app }");
    if (config->n_upstreams == 0 && needs_upstream(config))
        problems_add(problems, tree->last_line,
                     "there is no upstream section, so connections have nowhere to go; add one, as "
                     "in upstream app { server a { address = \"127.0.0.1:80\" } }");
}
