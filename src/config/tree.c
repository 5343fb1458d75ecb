#include "config/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "config/problems.h"

bool tree_add_section(struct tree *tree, enum option_section kind, size_t parent, const char *title,
                      int line) {
    struct tree_section *bigger =
        grow_list(tree->sections, tree->n, &tree->room, sizeof *tree->sections);
    char *copy = strdup(title);

    if (bigger)
        tree->sections = bigger;
    if (!copy || !bigger) {
        free(copy);
        return false;
    }
    tree->sections[tree->n++] =
        (struct tree_section){.kind = kind, .parent = parent, .line = line, .title = copy};
    return true;
}

bool tree_init(struct tree *tree) {
    *tree = (struct tree){.last_line = 1};
    return tree_add_section(tree, SECTION_GLOBAL, 0, "", 1);
}

void tree_free(struct tree *tree) {
    for (size_t i = 0; i < tree->n; i++) {
        struct tree_section *section = &tree->sections[i];

        for (size_t j = 0; j < section->n_values; j++)
            free(section->values[j].text);
        free(section->values);
        free(section->title);
    }
    free(tree->sections);
    places_free(&tree->places);
    *tree = (struct tree){0};
}

bool tree_add_value(struct tree *tree, size_t section, const struct option_info *row,
                    const char *text, int line) {
    struct tree_section *to = &tree->sections[section];
    struct tree_value *bigger =
        grow_list(to->values, to->n_values, &to->values_room, sizeof *to->values);
    char *copy = strdup(text);

    if (bigger)
        to->values = bigger;
    if (!copy || !bigger) {
        free(copy);
        return false;
    }
    to->values[to->n_values++] = (struct tree_value){row, copy, line};
    return true;
}

size_t tree_next(const struct tree *tree, size_t index, enum option_section kind) {
    for (index++; index < tree->n && tree->sections[index].kind != kind;)
        index++;
    return index < tree->n ? index : tree->n;
}

/* What is inside a section follows it at once. */
size_t tree_inside(const struct tree *tree, size_t parent, enum option_section kind) {
    for (size_t at = parent + 1; at < tree->n && tree->sections[at].parent == parent; at++)
        if (tree->sections[at].kind == kind)
            return at;
    return tree->n;
}

const struct tree_value *tree_value(const struct tree_section *section, enum option_id id) {
    for (size_t i = section->n_values; i > 0; i--)
        if (section->values[i - 1].row == &option_infos[id])
            return &section->values[i - 1];
    return NULL;
}

bool tree_is_default(const struct tree_section *section, enum option_id id) {
    const struct tree_value *value = tree_value(section, id);

    return !value || strcmp(value->text, value->row->default_text) == 0;
}

const char *tree_where(const struct tree *tree, size_t section, char *buf) {
    const struct tree_section *at = &tree->sections[section];
    char outer[TREE_WHERE_MAX / 2] = "", title[PROBLEMS_SHOWN_MAX];

    buf[0] = '\0';
    if (at->kind == SECTION_GLOBAL)
        return buf;
    if (at->parent != 0) {
        const struct tree_section *parent = &tree->sections[at->parent];

        snprintf(outer, sizeof outer, "%s %s: ", options_section_name(parent->kind),
                 problems_show(parent->title, title));
    }
    snprintf(buf, TREE_WHERE_MAX, "%s%s%s%s: ", outer, options_section_name(at->kind),
             options_section_has_title(at->kind) ? " " : "", problems_show(at->title, title));
    return buf;
}
