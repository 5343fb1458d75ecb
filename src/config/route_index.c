#include "config/route_index.h"

#include <stdlib.h>
#include <string.h>

#include "config/route_config.h"

enum host_class { HOST_EXACT, HOST_SUFFIX, HOST_ANY };

static enum host_class class_of(const struct route_config *route) {
    if (route->n_host == 0)
        return HOST_ANY;
    return route->pattern[0] == '*' ? HOST_SUFFIX : HOST_EXACT;
}

static const char *host_name_of(const struct route_config *route, size_t *ret_n) {
    size_t skipped = class_of(route) == HOST_SUFFIX ? strlen("*.") : 0;

    *ret_n = route->n_host - skipped;
    return route->pattern + skipped;
}

static int compare_texts(const char *a, size_t n_a, const char *b, size_t n_b) {
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);

    return order != 0 ? order : n_a < n_b ? -1 : n_a > n_b;
}

static int compare_route_hosts(const struct route_config *a, const struct route_config *b) {
    size_t n_a, n_b;
    const char *name_a = host_name_of(a, &n_a), *name_b = host_name_of(b, &n_b);

    if (class_of(a) != class_of(b))
        return class_of(a) < class_of(b) ? -1 : 1;
    return compare_texts(name_a, n_a, name_b, n_b);
}

static int compare_route_entries(const void *a, const void *b) {
    const struct route_entry *x = a, *y = b;
    int order = compare_route_hosts(x->route, y->route);

    return order != 0 ? order : compare_texts(x->path, x->n_path, y->path, y->n_path);
}

static bool is_prefix(const struct route_entry *entry, const char *path, size_t n) {
    return entry->n_path <= n && memcmp(entry->path, path, entry->n_path) == 0;
}

/* entries[at] and those before it of its host are in order. */
static void find_parent(struct route_entry *entries, size_t at, size_t first) {
    uint32_t parent = at > first ? (uint32_t)(at - 1) : ROUTE_NONE;

    while (parent != ROUTE_NONE &&
           !is_prefix(&entries[parent], entries[at].path, entries[at].n_path))
        parent = entries[parent].parent;
    entries[at].parent = parent;
}

static void group_hosts(struct route_index *index, size_t n) {
    struct route_host *host = NULL;
    size_t n_hosts = 0;

    for (size_t i = 0; i < n; i++) {
        const struct route_config *route = index->entries[i].route;

        if (host == NULL || compare_route_hosts(index->entries[i - 1].route, route) != 0) {
            size_t n_name;
            const char *name = host_name_of(route, &n_name);

            host = &index->hosts[n_hosts++];
            *host = (struct route_host){name, (uint16_t)n_name, (uint32_t)i, 0};
            index->n_exact += class_of(route) == HOST_EXACT;
            index->n_suffix += class_of(route) == HOST_SUFFIX;
            index->n_any += class_of(route) == HOST_ANY;
        }
        host->n++;
        find_parent(index->entries, i, host->first);
        index->paths |= index->entries[i].n_path > 0;
    }
}

struct route_index *route_index_new(const struct route_config *routes, size_t n) {
    struct route_index *index = calloc(1, sizeof(*index));

    if (index == NULL)
        return NULL;
    index->entries = calloc(n + 1, sizeof(*index->entries));
    index->hosts = calloc(n + 1, sizeof(*index->hosts));
    if (index->entries == NULL || index->hosts == NULL) {
        route_index_free(index);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const char *path = routes[i].pattern + routes[i].n_host;

        index->entries[i] =
            (struct route_entry){&routes[i], path, (uint16_t)strlen(path), ROUTE_NONE};
    }
    qsort(index->entries, n, sizeof(*index->entries), compare_route_entries);
    group_hosts(index, n);
    return index;
}

void route_index_free(struct route_index *index) {
    if (index == NULL)
        return;
    free(index->entries);
    free(index->hosts);
    free(index);
}

static const struct route_host *find_route_host(const struct route_host *hosts, size_t n,
                                                const char *name, size_t n_name) {
    while (n > 0) {
        const struct route_host *middle = &hosts[n / 2];
        int order = compare_texts(name, n_name, middle->name, middle->n_name);

        if (order == 0)
            return middle;
        if (order > 0) {
            hosts = middle + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    }
    return NULL;
}

/* "/a" is below the path "/a/", too: whole segments count. */
static bool covers(const struct route_entry *entry, const char *path, size_t n) {
    return is_prefix(entry, path, n) ||
           (entry->n_path == n + 1 && memcmp(entry->path, path, n) == 0);
}

/* As compare_texts, but a "/" stands behind the path. */
static bool is_behind_path(const struct route_entry *entry, const char *path, size_t n) {
    size_t common = entry->n_path < n ? entry->n_path : n;
    int order = memcmp(entry->path, path, common);

    if (order != 0 || entry->n_path <= n)
        return order > 0;
    return entry->path[n] != '/' ? entry->path[n] > '/' : entry->n_path > n + 1;
}

static const struct route_config *find_by_path(const struct route_index *index,
                                               const struct route_host *host, const char *path,
                                               size_t n) {
    uint32_t low = host->first, high = host->first + host->n; /* prefix_note: behind from high on */

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (is_behind_path(&index->entries[middle], path, n))
            high = middle;
        else
            low = middle + 1;
    }
    uint32_t at = low > host->first ? low - 1 : ROUTE_NONE;
    while (at != ROUTE_NONE && !covers(&index->entries[at], path, n))
        at = index->entries[at].parent;
    return at != ROUTE_NONE ? index->entries[at].route : NULL;
}

static const struct route_config *find_by_suffix(const struct route_index *index, const char *host,
                                                 size_t n_host, const char *path, size_t n_path) {
    const struct route_host *suffixes = index->hosts + index->n_exact, *found;
    const struct route_config *route = NULL;

    for (size_t i = 1; route == NULL && i + 1 < n_host; i++) {
        if (host[i] != '.')
            continue;
        found = find_route_host(suffixes, index->n_suffix, host + i + 1, n_host - i - 1);
        if (found != NULL)
            route = find_by_path(index, found, path, n_path);
    }
    return route;
}

const struct route_config *route_index_find(const struct route_index *index, const char *host,
                                            size_t n_host, const char *path, size_t n_path) {
    const struct route_host *found = find_route_host(index->hosts, index->n_exact, host, n_host);
    const struct route_config *route = NULL;

    if (found != NULL)
        route = find_by_path(index, found, path, n_path);
    if (route == NULL && index->n_suffix > 0)
        route = find_by_suffix(index, host, n_host, path, n_path);
    if (route == NULL && index->n_any > 0)
        route = find_by_path(index, &index->hosts[index->n_exact + index->n_suffix], path, n_path);
    return route;
}
