#include <stdlib.h>
#include <string.h>

#include "config/build.h"
#include "config/routes.h"

/* By pattern, and among equal ones in the order of the file. */
static int compare_routes(const void *a, const void *b) {
    const struct route_config *const *x = a, *const *y = b;
    int order = strcmp((*x)->pattern, (*y)->pattern);

    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

static void report_route_twice(const struct tree *tree, const struct listener_config *listener,
                               const struct route_config *first, const struct route_config *again,
                               struct problems *problems) {
    char place[PLACES_TEXT_MAX];

    problems_add(problems, again->line,
                 "listener %s: route \"%s\" is given twice; the first is on %s", listener->name,
                 again->pattern, places_say(&tree->places, again->line, first->line, place));
}

/* There may be many: they are sorted first. Bad patterns are empty. */
static void check_patterns(const struct tree *tree, const struct listener_config *listener,
                           struct problems *problems) {
    const struct route_config **all = calloc(listener->n_routes, sizeof(struct route_config *));
    size_t first = 0;

    if (!all) {
        problems->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < listener->n_routes; i++)
        all[i] = &listener->routes[i];
    qsort(all, listener->n_routes, sizeof(struct route_config *), compare_routes);
    for (size_t i = 1; i < listener->n_routes; i++) {
        if (all[i]->pattern[0] == '\0' || strcmp(all[first]->pattern, all[i]->pattern) != 0)
            first = i;
        else
            report_route_twice(tree, listener, all[first], all[i], problems);
    }
    free(all);
}

void config_validate_routes(const struct tree *tree, size_t section,
                            const struct listener_config *listener, struct problems *problems) {
    char where[TREE_WHERE_MAX];

    if (listener->n_routes == 0)
        return;
    check_patterns(tree, listener, problems);
    for (size_t i = 0; listener->mode == MODE_HTTP && i < listener->n_routes; i++) {
        if (listener->routes[i].kind == ROUTE_HTTP || listener->routes[i].pattern[0] == '\0')
            continue;
        problems_add(problems, listener->routes[i].line,
                     "%sa route by what TLS asks for has no meaning with mode = http; it must be "
                     "mode = tcp",
                     tree_where(tree, section, where));
        return;
    }
}
