/* What a route has from its listener. */
#include <stdlib.h>
#include <string.h>

#include "config/build.h"

static void *member_at(const struct option_info *row, void *base) {
    return (char *)base + row->offset;
}

static const void *const_member_at(const struct option_info *row, const void *base) {
    return (const char *)base + row->offset;
}

/* A copy of a secret is one, too. */
static bool copy_secret(struct config *config, const char *from, const char *to) {
    for (size_t i = 0; i < config->n_secrets; i++)
        if (config->secrets[i].value == from)
            return config_note_secret(config, to, config->secrets[i].written);
    return true;
}

static bool copy_text(struct config *config, char *const *from, char **to) {
    char *copy = strdup(*from);

    if (copy == NULL)
        return false;
    free(*to);
    *to = copy;
    return copy_secret(config, *from, copy);
}

static bool copy_text_list(const struct text_list *from, struct text_list *to) {
    to->texts = calloc(from->n + 1, sizeof(*to->texts));
    while (to->texts != NULL && to->n < from->n) {
        to->texts[to->n] = strdup(from->texts[to->n]);
        if (to->texts[to->n] == NULL)
            return false;
        to->n++;
    }
    return to->texts != NULL;
}

static bool inherit_option(struct config *config, const struct option_info *from,
                           const struct listener_config *listener, const struct option_info *to,
                           struct route_config *route) {
    const void *source = const_member_at(from, listener);
    void *target = member_at(to, route);

    CHECK(from->type == to->type);
    if (to->type == OPTION_TEXT)
        return copy_text(config, source, target);
    if (to->type == OPTION_TEXTS)
        return copy_text_list(source, target);
    CHECK(options_is_scalar(to));
    memcpy(target, source,
           to->type == OPTION_BOOL     ? sizeof(bool)
           : to->type == OPTION_CHOICE ? sizeof(int)
                                       : sizeof(int64_t));
    return true;
}

bool config_inherit(struct config *config, const struct tree_section *section,
                    const struct listener_config *listener, struct route_config *route) {
    if (section == NULL && !config_set_defaults(SECTION_ROUTE, route))
        return false;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *to = &option_infos[i], *from;

        if (to->section != SECTION_ROUTE || to->type == OPTION_UPSTREAM ||
            (section != NULL && section->given[i] != 0))
            continue;
        from = options_find(SECTION_LISTENER, to->name);
        if (from != NULL && !inherit_option(config, from, listener, to, route))
            return false;
    }
    return true;
}
