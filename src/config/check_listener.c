#include "base/proxy_protocol.h"
#include "config/build.h"

void config_check_listener(const struct tree *tree, size_t section,
                           const struct listener_config *listener, struct problems *problems) {
    const struct tree_section *at = &tree->sections[section];
    const struct tree_value *accept = tree_value(at, OPT_listener_accept_proxy);
    char where[TREE_WHERE_MAX];

    if (listener->accept_proxy != PROXY_OFF && listener->proxy_from.n == 0)
        problems_add(problems, accept != NULL ? accept->line : at->line,
                     "%saccept_proxy needs proxy_from: who may send the header, as in proxy_from = "
                     "{\"10.0.0.0/8\"}",
                     tree_where(tree, section, where));
    if (listener->accept_proxy == PROXY_OFF && listener->proxy_from.n > 0)
        problems_add(problems, at->given[OPT_listener_proxy_from],
                     "%sproxy_from has no meaning without accept_proxy = v1, v2 or any",
                     tree_where(tree, section, where));
}
