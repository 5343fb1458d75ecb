/* Listeners in mode http: what must hold between options, and what routes mean to requests. */
#include <string.h>

#include "config/build.h"
#include "config/error_pages.h"
#include "config/route_index.h"
#include "config/routes.h"

struct validation {
    const struct tree *tree;
    size_t section; /* of the listener */
    struct listener_config *listener;
    struct problems *problems;
};

/* A listener's own options, or those of a route: where they are written, and what they are. */
struct place {
    size_t section;
    struct route_config *route;
    enum option_id upstream, redirect, redirect_code, hsts, error_pages;
};

static const struct tree_section *written_at(const struct validation *validation,
                                             const struct place *place) {
    return &validation->tree->sections[place->section];
}

/* That of the option, or of the section where it is not given. */
static int line_of(const struct validation *validation, const struct place *place,
                   enum option_id id) {
    const struct tree_section *at = written_at(validation, place);

    return at->given[id] != 0 ? at->given[id] : at->line;
}

static bool has_value(const struct option_info *row, const void *base) {
    const void *member = (const char *)base + row->offset;

    if (row->type == OPTION_TEXTS)
        return ((const struct text_list *)member)->n > 0;
    if (row->type == OPTION_PREFIXES)
        return ((const struct prefix_list *)member)->n > 0;
    return !options_is_default(row, base);
}

/* Options of mode http alone, from first to last in the table; elsewhere the default does no harm
 * (relayd -T has it). */
static void check_no_http(const struct validation *validation, size_t section, const void *base,
                          size_t first, size_t last) {
    const struct tree_section *at = &validation->tree->sections[section];
    char where[TREE_WHERE_MAX];

    for (size_t i = first; i <= last; i++)
        if (at->given[i] != 0 && has_value(&option_infos[i], base))
            problems_add(validation->problems, at->given[i],
                         "%s%s has no meaning without mode = http",
                         tree_where(validation->tree, section, where), option_infos[i].name);
}

static void check_tcp(const struct validation *validation) {
    const struct listener_config *listener = validation->listener;
    size_t at = validation->section;

    check_no_http(validation, validation->section, listener, OPT_listener_redirect,
                  OPT_listener_trusted_proxies);
    for (size_t i = 0; i < listener->n_routes; i++) {
        at = tree_next(validation->tree, at, SECTION_ROUTE);
        check_no_http(validation, at, &listener->routes[i], OPT_route_redirect,
                      OPT_route_error_pages);
    }
}

/* Where requests go: to an upstream or elsewhere by a redirect. A route that names an upstream has
 * no redirect of its listener; one that names neither has what that has. */
static void choose_way(const struct validation *validation, const struct place *place) {
    const struct tree_section *at = written_at(validation, place);
    struct route_config *route = place->route;
    bool named = tree_value(at, place->upstream) != NULL,
         redirected = at->given[place->redirect] != 0 && route->redirect[0] != '\0';
    char where[TREE_WHERE_MAX];

    tree_where(validation->tree, place->section, where);
    if (named && redirected) {
        problems_add(validation->problems, at->given[place->redirect],
                     "%sredirect has no meaning with upstream: clients go either elsewhere or to "
                     "servers",
                     where);
    } else if (named) {
        route->redirect[0] = '\0';
    } else if (route->redirect[0] == '\0') {
        route->upstream = validation->listener->upstream;
        if (route->upstream == NO_UPSTREAM && route != &validation->listener->own &&
            tree_value(&validation->tree->sections[validation->section], OPT_listener_upstream) ==
                NULL)
            problems_add(validation->problems, at->line,
                         "%supstream or redirect must be given, as in upstream = app", where);
    }
}

static void check_redirect_options(const struct validation *validation, const struct place *place) {
    const struct route_config *route = place->route;
    char where[TREE_WHERE_MAX];

    tree_where(validation->tree, place->section, where);
    if (route->redirect[0] == '\0' && written_at(validation, place)->given[place->redirect_code] &&
        !options_is_default(&option_infos[OPT_route_redirect_code], route) &&
        tree_next(validation->tree, place->section, SECTION_ROUTE) == validation->tree->n)
        problems_add(validation->problems, line_of(validation, place, place->redirect_code),
                     "%sredirect_code has no meaning without redirect", where);
    if (route->target.form == REDIRECT_SCHEME && validation->listener->tls.given)
        problems_add(validation->problems, line_of(validation, place, place->redirect),
                     "%sredirect = https would come back for ever: clients of this listener speak "
                     "TLS already; it is for a listener without tls, as at port 80",
                     where);
}

/* max-age counts seconds (RFC 6797, 6.1.1). */
static void check_hsts(const struct validation *validation, const struct place *place) {
    char where[TREE_WHERE_MAX];

    if (place->route->hsts % USEC_PER_SEC != 0 && written_at(validation, place)->given[place->hsts])
        problems_add(validation->problems, line_of(validation, place, place->hsts),
                     "%shsts must be whole seconds, as in hsts = 8760h, a year",
                     tree_where(validation->tree, place->section, where));
}

static void check_strip_prefix(const struct validation *validation, const struct place *place) {
    const struct route_config *route = place->route;
    char where[TREE_WHERE_MAX];

    if (route->strip_prefix && route->pattern[0] != '\0' && route->pattern[route->n_host] == '\0')
        problems_add(validation->problems, line_of(validation, place, OPT_route_strip_prefix),
                     "%sstrip_prefix has no meaning without a path in the pattern",
                     tree_where(validation->tree, place->section, where));
}

static void note_edits(const struct validation *validation, const struct place *place,
                       const char *options, const char *why) {
    char where[TREE_WHERE_MAX];

    if (why == HEADER_EDITS_NO_MEMORY)
        validation->problems->out_of_memory = true;
    else if (why != NULL)
        problems_add(validation->problems, written_at(validation, place)->line, "%s%s %s",
                     tree_where(validation->tree, place->section, where), options, why);
}

/* All values are good. */
static void read_edits(const struct validation *validation, const struct place *place) {
    struct route_config *route = place->route;

    note_edits(validation, place, "set_request and add_request",
               header_edits_read(&route->set_request, &route->add_request, &route->remove_request,
                                 &route->request));
    note_edits(validation, place, "set_response and add_response",
               header_edits_read(&route->set_response, &route->add_response,
                                 &route->remove_response, &route->response));
}

struct page_problem {
    const struct validation *validation;
    const struct place *place;
};

static void note_route_page(void *arg, const char *what) {
    const struct page_problem *problem = arg;
    const struct validation *validation = problem->validation;
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX];

    problems_add(
        validation->problems, line_of(validation, problem->place, problem->place->error_pages),
        "%serror_pages = %s: %s", tree_where(validation->tree, problem->place->section, where),
        problems_show(problem->place->route->error_pages, shown), what);
}

/* Those of the listener are read (validate_listener.c), and shared. */
static void read_route_pages(const struct validation *validation, const struct place *place) {
    struct route_config *route = place->route;
    struct page_problem problem = {validation, place};
    size_t before = validation->problems->n;

    if (strcmp(route->error_pages, validation->listener->error_pages) == 0) {
        route->pages = error_pages_ref(validation->listener->pages);
    } else if (route->error_pages[0] == '/') {
        route->pages = error_pages_read(route->error_pages, note_route_page, &problem);
        if (route->pages == NULL && validation->problems->n == before)
            validation->problems->out_of_memory = true;
    }
}

static void check_place(const struct validation *validation, const struct place *place) {
    choose_way(validation, place);
    if (redirect_read(place->route->redirect, &place->route->target) == NULL)
        check_redirect_options(validation, place);
    check_hsts(validation, place);
    check_strip_prefix(validation, place);
    if (!problems_any(validation->problems))
        read_edits(validation, place);
    read_route_pages(validation, place);
}

/* Found once, here: each connection needs it. */
void config_find_soonest_timeout(struct listener_config *listener) {
    usec_t soonest = usec_earlier(listener->head_timeout, listener->keepalive_timeout);

    if (listener->own.response_timeout > 0)
        soonest = usec_earlier(soonest, listener->own.response_timeout);
    for (size_t i = 0; i < listener->n_routes; i++)
        if (listener->routes[i].response_timeout > 0)
            soonest = usec_earlier(soonest, listener->routes[i].response_timeout);
    listener->soonest_timeout = soonest;
}

static void check_http(const struct validation *validation) {
    struct listener_config *listener = validation->listener;
    struct place place = {validation->section,        &listener->own,
                          OPT_listener_upstream,      OPT_listener_redirect,
                          OPT_listener_redirect_code, OPT_listener_hsts,
                          OPT_listener_error_pages};

    listener->own.upstream = listener->upstream;
    check_place(validation, &place);
    for (size_t i = 0; i < listener->n_routes; i++) {
        place = (struct place){tree_next(validation->tree, place.section, SECTION_ROUTE),
                               &listener->routes[i],
                               OPT_route_upstream,
                               OPT_route_redirect,
                               OPT_route_redirect_code,
                               OPT_route_hsts,
                               OPT_route_error_pages};
        check_place(validation, &place);
    }
    config_find_soonest_timeout(listener);
    if (listener->n_routes == 0 || problems_any(validation->problems))
        return;
    listener->index = route_index_new(listener->routes, listener->n_routes);
    if (listener->index == NULL)
        validation->problems->out_of_memory = true;
}

void config_validate_http(const struct tree *tree, size_t section, struct listener_config *listener,
                          struct problems *problems) {
    const struct validation validation = {tree, section, listener, problems};

    if (listener->mode == MODE_HTTP)
        check_http(&validation);
    else
        check_tcp(&validation);
}
