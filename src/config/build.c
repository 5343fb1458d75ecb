#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/credential.h"
#include "config/options.h"
#include "config/routes.h"

struct build {
    const struct tree *tree;
    struct config *config;
    struct problems *problems;
};

bool config_add_address(struct listen_address **list, size_t *n, const char *text, bool systemd,
                        const struct addr_spec *spec) {
    struct listen_address *bigger = reallocarray(*list, *n + 1, sizeof *bigger);
    char *copy = strdup(text);

    if (bigger)
        *list = bigger;
    if (!bigger || !copy) {
        free(copy);
        return false;
    }
    bigger[*n] = (struct listen_address){.text = copy, .systemd = systemd};
    if (!systemd)
        bigger[*n].spec = *spec;
    ++*n;
    return true;
}

/* Adds a prefix to its list, and to the set that the list is part of. */
static bool add_prefix(struct listener_config *listener, const struct option_info *row,
                       const char *text, const struct prefix *prefix) {
    struct prefix_list *list = (struct prefix_list *)(void *)((char *)listener + row->offset);
    struct prefix_set **set = row == &option_infos[OPT_listener_proxy_from] ? &listener->senders
                              : row == &option_infos[OPT_listener_trusted_proxies]
                                  ? &listener->trusted
                                  : &listener->access;
    char **bigger = reallocarray(list->texts, list->n + 1, sizeof *bigger), *copy = strdup(text);

    if (bigger)
        list->texts = bigger;
    if (!*set)
        *set = prefix_set_new();
    if (!bigger || !copy || !*set ||
        !prefix_set_add(*set, prefix,
                        row == &option_infos[OPT_listener_deny] ? ACCESS_DENY : ACCESS_ALLOW)) {
        free(copy);
        return false;
    }
    bigger[list->n++] = copy;
    return true;
}

static bool add_source(struct source_list *list, const char *text, const struct addr *addr) {
    char **texts = reallocarray(list->texts, list->n + 1, sizeof *texts), *copy = strdup(text);
    struct addr *addrs = reallocarray(list->addrs, list->n + 1, sizeof *addrs);

    if (texts)
        list->texts = texts;
    if (addrs)
        list->addrs = addrs;
    if (!texts || !addrs || !copy) {
        free(copy);
        return false;
    }
    texts[list->n] = copy;
    addrs[list->n++] = *addr;
    return true;
}

static void note_value(const struct build *build, size_t section, const struct tree_value *value,
                       const char *why) {
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX];
    size_t length = strlen(value->text);

    tree_where(build->tree, section, where);
    problems_show(value->text, shown);
    problems_add(build->problems, value->line, *shown ? "%s%s = %s: %s%s" : "%s%s = \"%s\": %s%s",
                 where, value->row->name, shown, why,
                 length > 1 && value->text[length - 1] == ';' ? "; no \";\" ends it" : "");
}

static void add_text(const struct build *build, size_t section, const struct tree_value *value,
                     void *base) {
    struct text_list *list = (struct text_list *)(void *)((char *)base + value->row->offset);
    const char *why = config_check_item(value->row, value->text);
    char **bigger = reallocarray(list->texts, list->n + 1, sizeof(*bigger));
    char *copy = strdup(value->text);

    if (why != NULL)
        note_value(build, section, value, why);
    if (bigger != NULL)
        list->texts = bigger;
    if (bigger != NULL && copy != NULL) {
        bigger[list->n++] = copy;
        return;
    }
    free(copy);
    build->problems->out_of_memory = true;
}

/* One that is empty is none, as it has always been: it stands for the kernel's choice. */
static void set_source(const struct build *build, size_t section, const struct tree_value *value,
                       struct upstream_config *upstream) {
    struct addr addr;
    const char *why;

    if (value->text[0] == '\0')
        return;
    if (!addr_parse_ip(value->text, &addr, &why))
        note_value(build, section, value, why);
    else if (!add_source(&upstream->source_address, value->text, &addr))
        build->problems->out_of_memory = true;
}

bool config_note_secret(struct config *config, const char *value, const char *written) {
    struct secret *bigger = reallocarray(config->secrets, config->n_secrets + 1, sizeof *bigger);
    char *copy = strdup(written);

    if (bigger)
        config->secrets = bigger;
    if (!bigger || !copy) {
        free(copy);
        return false;
    }
    bigger[config->n_secrets++] = (struct secret){value, copy};
    return true;
}

static void set_text(const struct build *build, size_t section, const struct tree_value *value,
                     void *base) {
    const char *name = config_is_path(value->row) ? NULL : credential_name(value->text);
    char *secret = NULL;
    const char *why = name ? credential_read(name, &secret) : NULL;
    char *const *member = (char *const *)(const void *)((const char *)base + value->row->offset);

    if (!why)
        why = config_set_text(value->row, name ? secret : value->text, base);
    if (!why && name && !config_note_secret(build->config, *member, value->text))
        why = CONFIG_NO_MEMORY;
    free(secret);
    if (why == CONFIG_NO_MEMORY || why == CREDENTIAL_NO_MEMORY)
        build->problems->out_of_memory = true;
    else if (why)
        note_value(build, section, value, why);
}

static void add_listen_address(const struct build *build, size_t section,
                               const struct tree_value *value, void *base) {
    bool is_status = value->row->section == SECTION_STATUS,
         systemd = strcmp(value->text, "systemd") == 0;
    struct status_config *status = base;
    struct listener_config *listener = base;
    struct addr_spec spec;
    const char *why = "passed sockets are for listeners; write an address, as 127.0.0.1:9000";

    if (systemd ? is_status : !config_parse_listen(value->text, &spec, &why))
        note_value(build, section, value, why);
    else if (!config_add_address(is_status ? &status->address : &listener->address,
                                 is_status ? &status->n_address : &listener->n_address, value->text,
                                 systemd, &spec))
        build->problems->out_of_memory = true;
}

static void set_value(const struct build *build, size_t section, const struct tree_value *value,
                      void *base) {
    char allowed[OPTIONS_TEXT_MAX];
    struct prefix prefix;
    const char *why;

    if (options_is_scalar(value->row)) {
        if (!options_parse(value->row, value->text, base))
            note_value(build, section, value,
                       options_allowed_for(value->row, value->text, allowed, sizeof allowed));
    } else if (value->row->type == OPTION_ADDRESSES) {
        add_listen_address(build, section, value, base);
    } else if (value->row->type == OPTION_ADDRESS) {
        struct server_config *server = base;

        free(server->address_text); /* given twice */
        server->address_text = strdup(value->text);
        if (!server->address_text)
            build->problems->out_of_memory = true;
        if (!config_parse_server(value->text, &server->address, &why))
            note_value(build, section, value, why);
    } else if (value->row->type == OPTION_PREFIXES) {
        if (!prefix_parse(value->text, &prefix, &why))
            note_value(build, section, value, why);
        else if (!add_prefix(base, value->row, value->text, &prefix))
            build->problems->out_of_memory = true;
    } else if (value->row->type == OPTION_SOURCES) {
        set_source(build, section, value, base);
    } else if (value->row->type == OPTION_TEXTS) {
        add_text(build, section, value, base);
    } else if (value->row->type == OPTION_TEXT) {
        set_text(build, section, value, base);
    }
}

/* The defaults of a section, then what the file says. False: no memory; something may be missing
 * that others rely on. */
static bool set_values(const struct build *build, size_t section, void *base) {
    const struct tree_section *from = &build->tree->sections[section];

    if (!config_set_defaults(from->kind, base))
        build->problems->out_of_memory = true;
    for (size_t i = 0; i < from->n_values; i++)
        set_value(build, section, &from->values[i], base);
    return !build->problems->out_of_memory;
}

static void set_title(const struct build *build, size_t section, char *name, int *ret_line) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789-_.";
    const struct tree_section *from = &build->tree->sections[section];
    size_t len = strlen(from->title);
    char shown[PROBLEMS_SHOWN_MAX];

    *ret_line = from->line;
    snprintf(name, CONFIG_NAME_MAX, "%.*s", CONFIG_NAME_MAX - 1, from->title);
    if (len == 0 || len >= CONFIG_NAME_MAX || strspn(from->title, allowed) != len)
        problems_add(build->problems, from->line,
                     "%s \"%s\": a title must be 1 to %d letters, digits, \"-\", \"_\" or \".\"",
                     options_section_name(from->kind), problems_show(from->title, shown),
                     CONFIG_NAME_MAX - 1);
}

/* Counts the sections of a kind that stand in parent. */
static size_t count_sections(const struct tree *tree, size_t parent, enum option_section kind) {
    size_t n = 0;

    for (size_t i = tree_next(tree, parent, kind); i < tree->n; i = tree_next(tree, i, kind)) {
        if (tree->sections[i].parent != parent)
            break; /* what is inside a section follows it at once */
        n++;
    }
    return n;
}

/* Its values are the defaults, and nothing is checked, if the section is not there. */
static bool build_health_check(const struct build *build, size_t upstream,
                               struct health_check_config *check) {
    const struct tree *tree = build->tree;
    size_t at = tree_inside(tree, upstream, SECTION_HEALTH_CHECK);

    if (at == tree->n)
        return config_set_defaults(SECTION_HEALTH_CHECK, check);
    check->given = true;
    check->line = tree->sections[at].line;
    if (!set_values(build, at, check))
        return false;
    const char *why = config_read_expect(check);
    const struct tree_value *value = tree_value(&tree->sections[at], OPT_health_check_expect);
    if (why != NULL && why != CONFIG_NO_MEMORY && value != NULL)
        note_value(build, at, value, why);
    return why != CONFIG_NO_MEMORY;
}

/* With good patterns or not. */
static bool build_routes(const struct build *build, size_t section,
                         struct listener_config *listener) {
    size_t n = count_sections(build->tree, section, SECTION_ROUTE), at = section;
    char shown[PROBLEMS_SHOWN_MAX];

    listener->routes = calloc(n ? n : 1, sizeof *listener->routes);
    if (!listener->routes)
        return false;
    listener->n_routes = n;
    for (size_t i = 0; i < n; i++) {
        struct route_config *route = &listener->routes[i];

        at = tree_next(build->tree, at, SECTION_ROUTE);
        const struct tree_section *from = &build->tree->sections[at];
        const char *why = route_read(from->title, listener->mode == MODE_HTTP, route);
        if (why)
            problems_add(build->problems, from->line, "listener %s: route \"%s\": %s",
                         listener->name, problems_show(from->title, shown), why);
        if (!set_values(build, at, route))
            return false;
        route->line = from->line;
        route->upstream = NO_UPSTREAM;
        if (listener->mode == MODE_HTTP && !config_inherit(build->config, from, listener, route))
            return false;
    }
    return true;
}

static bool build_listener(const struct build *build, size_t section,
                           struct listener_config *listener) {
    size_t at = tree_inside(build->tree, section, SECTION_LISTENER_TLS);

    set_title(build, section, listener->name, &listener->line);
    if (!set_values(build, section, listener))
        return false;
    listener->upstream = NO_UPSTREAM;
    listener->own.upstream = NO_UPSTREAM;
    if (!build_routes(build, section, listener) ||
        !config_inherit(build->config, NULL, listener, &listener->own))
        return false;
    if (at == build->tree->n)
        return config_set_defaults(SECTION_LISTENER_TLS, &listener->tls);
    listener->tls.given = true;
    listener->tls.line = build->tree->sections[at].line;
    return set_values(build, at, &listener->tls);
}

static bool build_upstream_tls(const struct build *build, size_t section,
                               struct upstream_tls_config *tls) {
    size_t at = tree_inside(build->tree, section, SECTION_UPSTREAM_TLS);

    if (at == build->tree->n)
        return config_set_defaults(SECTION_UPSTREAM_TLS, tls);
    tls->given = true;
    tls->line = build->tree->sections[at].line;
    return set_values(build, at, tls);
}

static bool build_upstream(const struct build *build, size_t section,
                           struct upstream_config *upstream) {
    size_t n = count_sections(build->tree, section, SECTION_SERVER), at = section;

    set_title(build, section, upstream->name, &upstream->line);
    if (!set_values(build, section, upstream))
        return false;
    upstream->servers = calloc(n ? n : 1, sizeof *upstream->servers);
    if (!upstream->servers)
        return false;
    upstream->n_servers = n;
    for (size_t i = 0; i < n; i++) {
        struct server_config *server = &upstream->servers[i];

        at = tree_next(build->tree, at, SECTION_SERVER);
        set_title(build, at, server->name, &server->line);
        if (!set_values(build, at, server))
            return false;
        upstream->drained = (i == 0 || upstream->drained) && server->weight == 0;
    }
    return build_upstream_tls(build, section, &upstream->tls) &&
           build_health_check(build, section, &upstream->health_check);
}

static bool build_status(const struct build *build) {
    size_t at = tree_next(build->tree, 0, SECTION_STATUS);

    if (at == build->tree->n)
        return true;
    build->config->status.given = true;
    build->config->status.line = build->tree->sections[at].line;
    return set_values(build, at, &build->config->status);
}

static bool build_sections(const struct build *build) {
    const struct tree *tree = build->tree;
    struct config *config = build->config;
    size_t listeners = count_sections(tree, 0, SECTION_LISTENER);
    size_t upstreams = count_sections(tree, 0, SECTION_UPSTREAM), at = 0;

    config->listeners = calloc(listeners ? listeners : 1, sizeof *config->listeners);
    config->upstreams = calloc(upstreams ? upstreams : 1, sizeof *config->upstreams);
    if (!config->listeners || !config->upstreams)
        return false;
    for (size_t i = 0; i < listeners; i++) {
        at = tree_next(tree, at, SECTION_LISTENER);
        if (!build_listener(build, at, &config->listeners[config->n_listeners++]))
            return false;
    }
    at = 0;
    for (size_t i = 0; i < upstreams; i++) {
        at = tree_next(tree, at, SECTION_UPSTREAM);
        if (!build_upstream(build, at, &config->upstreams[config->n_upstreams++]))
            return false;
    }
    return true;
}

struct config *config_build(const struct tree *tree, const char *path, struct problems *problems) {
    struct build build = {tree, config_new(path), problems};

    if (build.config && places_add_all(&build.config->places, &tree->places) &&
        set_values(&build, 0, &build.config->global) && build_status(&build) &&
        build_sections(&build))
        return build.config;
    config_unref(build.config);
    problems->out_of_memory = true;
    return NULL;
}
