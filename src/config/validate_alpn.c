/* Protocols that mode http does not speak, asked for by ALPN: clients and servers would take them
 * at their word. Across sections, so once all are read. */
#include <string.h>

#include "config/build.h"

struct validation {
    const struct tree *tree;
    const struct config *config;
    struct problems *problems;
};

/* Where the tls section says so. NULL: it does not. */
static const struct tree_value *find_http2(const struct validation *validation, size_t section,
                                           enum option_id alpn) {
    const struct tree_section *at;

    if (section >= validation->tree->n)
        return NULL;
    at = &validation->tree->sections[section];
    for (size_t i = 0; i < at->n_values; i++)
        if (at->values[i].row == &option_infos[alpn] && strcmp(at->values[i].text, "h2") == 0)
            return &at->values[i];
    return NULL;
}

static void check_http_listener(const struct validation *validation, size_t section,
                                const struct listener_config *listener) {
    size_t tls = tree_inside(validation->tree, section, SECTION_LISTENER_TLS);
    const struct tree_value *http2 = find_http2(validation, tls, OPT_listener_tls_alpn);
    char where[TREE_WHERE_MAX];

    if (http2 == NULL || listener->mode != MODE_HTTP)
        return;
    problems_add(validation->problems, http2->line,
                 "%salpn: h2 is HTTP/2, and mode = http speaks HTTP/1.1 alone; leave h2 out, or "
                 "set mode = tcp, which relays HTTP/2 to servers that speak it",
                 tree_where(validation->tree, tls, where));
}

/* One listener of mode http is enough: its requests would go to a server that expects HTTP/2. */
static void check_http_upstream(const struct validation *validation, size_t section,
                                size_t upstream) {
    const struct config *config = validation->config;
    size_t tls = tree_inside(validation->tree, section, SECTION_UPSTREAM_TLS);
    const struct tree_value *http2 = find_http2(validation, tls, OPT_upstream_tls_alpn);
    char where[TREE_WHERE_MAX];

    for (size_t i = 0; http2 != NULL && i < config->n_listeners; i++) {
        const struct listener_config *listener = &config->listeners[i];

        if (listener->mode != MODE_HTTP || !listener_leads_to(listener, upstream))
            continue;
        problems_add(validation->problems, http2->line,
                     "%salpn: h2 is HTTP/2, and listener %s, which leads here, has mode = http and "
                     "speaks HTTP/1.1 alone; leave h2 out, or set mode = tcp there",
                     tree_where(validation->tree, tls, where), listener->name);
        return;
    }
}

void config_validate_alpn(const struct tree *tree, const struct config *config,
                          struct problems *problems) {
    const struct validation validation = {tree, config, problems};
    size_t listeners = 0, upstreams = 0;

    for (size_t i = 1; i < tree->n; i++) {
        if (tree->sections[i].kind == SECTION_LISTENER)
            check_http_listener(&validation, i, &config->listeners[listeners++]);
        else if (tree->sections[i].kind == SECTION_UPSTREAM)
            check_http_upstream(&validation, i, upstreams++);
    }
}
