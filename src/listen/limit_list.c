#include "listen/limit_list.h"

#include <stdatomic.h>
#include <string.h>

void limit_list_init(struct limit_list *list) {
    LIST_INIT(list);
}

static void let_limit_go(struct limit *limit) {
    LIST_REMOVE(limit, entry);
    limit_unref(limit);
}

void limit_list_clear(struct limit_list *list) {
    struct limit *limit;

    while ((limit = LIST_FIRST(list)) != NULL)
        let_limit_go(limit);
}

/* Sockets from systemd belong to a name, not to an address. */
static bool is_same_address(const struct listen_address *a, const struct listen_address *b) {
    if (a->systemd || b->systemd || a->spec.form != b->spec.form || a->spec.port != b->spec.port)
        return false;
    return a->spec.form == ADDR_LITERAL ? addr_equal(&a->spec.addr, &b->spec.addr)
                                        : strcmp(a->spec.name, b->spec.name) == 0;
}

static bool has_common_address(const struct listener_config *a, const struct listener_config *b) {
    for (size_t i = 0; i < a->n_address; i++)
        for (size_t k = 0; k < b->n_address; k++)
            if (is_same_address(&a->address[i], &b->address[k]))
                return true;
    return false;
}

/* What a listener and one of before may have in common; the less, the later. */
enum likeness { LIKE_BOTH, LIKE_ADDRESS, LIKE_NAME, LIKENESS_COUNT };

static bool is_alike(const struct listener_config *a, const struct listener_config *b,
                     enum likeness likeness) {
    if (likeness != LIKE_ADDRESS && strcmp(a->name, b->name) != 0)
        return false;
    return likeness == LIKE_NAME || has_common_address(a, b);
}

static bool is_chosen(const struct limit *limit, struct limit *const *limits, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (limits[i] == limit)
            return true;
    return false;
}

static struct limit *find_limit(const struct limit_list *list, const struct config *config,
                                size_t i, enum likeness likeness, struct limit *const *chosen) {
    struct limit *limit;

    LIST_FOREACH(limit, list, entry)
        if (is_alike(limit->listener, &config->listeners[i], likeness) &&
            !is_chosen(limit, chosen, config->n_listeners))
            return limit_ref(limit);
    return NULL;
}

bool limit_list_choose(const struct limit_list *list, const struct config *config,
                       struct limit **ret_limits) {
    bool whole = true;

    memset(ret_limits, 0, config->n_listeners * sizeof(struct limit *));
    for (int likeness = 0; likeness < LIKENESS_COUNT; likeness++)
        for (size_t i = 0; i < config->n_listeners; i++)
            if (ret_limits[i] == NULL)
                ret_limits[i] = find_limit(list, config, i, (enum likeness)likeness, ret_limits);
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (ret_limits[i] == NULL)
            ret_limits[i] = limit_new();
        whole = whole && ret_limits[i] != NULL;
    }
    for (size_t i = 0; i < config->n_listeners && !whole; i++) {
        limit_unref(ret_limits[i]);
        ret_limits[i] = NULL;
    }
    return whole;
}

static bool is_used(const struct limit *limit) {
    return atomic_load_explicit(&limit->refs, memory_order_acquire) > 1;
}

void limit_list_begin(struct limit_list *list, struct config *config, struct limit *const *limits) {
    struct limit *limit = LIST_FIRST(list);

    while (limit != NULL) {
        struct limit *next = LIST_NEXT(limit, entry);

        if (!is_used(limit))
            let_limit_go(limit);
        limit = next;
    }
    for (size_t i = 0; i < config->n_listeners; i++) {
        if (limits[i]->config == NULL) { /* it is new */
            limit = limit_ref(limits[i]);
            LIST_INSERT_HEAD(list, limit, entry);
        }
        limit_set(limits[i], config, &config->listeners[i]);
    }
}
