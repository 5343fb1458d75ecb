#include "control/explain_name.h"

#include <limits.h>
#include <string.h>

#include "base/escape.h"
#include "config/route_index.h"
#include "config/routes.h"
#include "control/question.h"
#include "tls/server.h"

static void add_named_certificate(void *arg, const struct tls_facts *facts) {
    json_t **list = arg, *names = json_array();
    char file[PATH_MAX];

    for (size_t i = 0; i < facts->n_names; i++)
        json_add(&names, json_string(facts->names[i]));
    json_add(list, json_pack("{s:o, s:s, s:s, s:s, s:I}", "names", names, "key", facts->key,
                             "serial", facts->serial, "file",
                             escape_text(facts->file, strlen(facts->file), ESCAPE_UNPRINTABLE, file,
                                         sizeof(file)),
                             "not_after", (json_int_t)facts->not_after));
}

void explain_name_add(json_t **json, const struct listener_config *config, const char *name) {
    json_t *list = json_null(), *covered = json_null();

    if (config->tls.server != NULL && name[0] != '\0') {
        list = json_array();
        covered = json_boolean(
            tls_server_visit_name(config->tls.server, name, add_named_certificate, &list));
    }
    json_put(json, "certificates", list);
    json_put(json, "covered", covered);
}

const struct route_config *explain_name_route(const struct listener_config *config,
                                              const char *name) {
    char host[HOST_NAME_SIZE];

    if (config->mode != MODE_HTTP)
        return route_choose_name(config, name);
    if (config->index == NULL)
        return NULL;
    return route_index_find(config->index, host, route_normal_host(name, strlen(name), host), "/",
                            1);
}

static json_t *redirect_of(const struct route_config *route) {
    return route->target.form != REDIRECT_NONE ? json_string(route->redirect) : json_null();
}

static json_t *describe_path(const struct route *branch, const char *path) {
    return json_pack("{s:s, s:s, s:s, s:o}", "path", path, "route", branch->section->pattern,
                     "upstream", branch->upstream != NULL ? branch->upstream->config->name : "",
                     "redirect", redirect_of(branch->section));
}

/* The routes that take its requests for other paths than "/". */
static json_t *list_paths(const struct route *trunk, const char *name) {
    const struct listener_config *config = trunk->config;
    char host[HOST_NAME_SIZE];
    size_t n_host = route_normal_host(name, strlen(name), host);
    json_t *list = json_array();

    for (size_t i = 0; i < config->n_routes; i++) {
        const char *path = config->routes[i].pattern + config->routes[i].n_host;
        size_t n = strlen(path);

        if (n > 1 && route_index_find(config->index, host, n_host, path, n) == &config->routes[i])
            json_add(&list, describe_path(&trunk->branches[i], path));
    }
    return list;
}

void explain_name_requests(json_t **json, const struct route *route, const char *name) {
    const struct listener_config *config = route->config;
    const struct route_config *taken = route->section != NULL ? route->section : &config->own;
    bool http = config->mode == MODE_HTTP;

    json_put(json, "redirect", http ? redirect_of(taken) : json_null());
    json_put(json, "paths", http ? list_paths(route->trunk, name) : json_null());
}

json_t *explain_name_at(const struct route *trunk, const char *name) {
    const struct listener_config *config = trunk->config;
    const struct route_config *section = explain_name_route(config, name);
    const struct route *route =
        section != NULL ? &trunk->branches[section - config->routes] : trunk;
    bool leads = route->upstream != NULL, refused = !leads && config->mode != MODE_HTTP;

    json_t *json = json_pack("{s:s, s:s?, s:s, s:s?}", "listener", config->name, "route",
                             section != NULL ? section->pattern : NULL, "upstream",
                             leads ? route->upstream->config->name : "", "end",
                             refused ? end_infos[END_UNKNOWN_NAME].code : NULL);
    explain_name_requests(&json, route, name);
    explain_name_add(&json, config, name);
    return json;
}
