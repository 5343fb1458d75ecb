/* The file as written: sections with titles and values as text, each with its line. Between parser
 * and struct config. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "config/options.h"
#include "config/places.h"

struct tree_value {
    const struct option_info *row;
    char *text;
    int line;
};

struct tree_section {
    enum option_section kind;
    size_t parent; /* index in tree.sections */
    int line;
    char *title;
    int given[OPTIONS_COUNT]; /* each option's line; else 0 */
    struct tree_value *values;
    size_t n_values, values_room;
};

struct tree {
    struct tree_section *sections; /* [0] is the top level */
    size_t n, room;
    struct places places; /* the files read so far */
    int last_line;        /* of the first file */
};

/* Room for tree_where's answer, NUL included. */
#define TREE_WHERE_MAX 256

/* With the top level. False: no memory; tree_free may be called. */
bool tree_init(struct tree *tree) MUST_USE;
void tree_free(struct tree *tree);

/* At index tree->n - 1 then; copies the title. False: no memory. */
bool tree_add_section(struct tree *tree, enum option_section kind, size_t parent, const char *title,
                      int line) MUST_USE;

/* Copies the text. False: no memory. */
bool tree_add_value(struct tree *tree, size_t section, const struct option_info *row,
                    const char *text, int line) MUST_USE;

/* The next section of this kind after index (0: the first), or tree->n. */
size_t tree_next(const struct tree *tree, size_t index, enum option_section kind);

/* The first section of this kind inside the one at parent, or tree->n. */
size_t tree_inside(const struct tree *tree, size_t parent, enum option_section kind);

/* The last one, or NULL. */
const struct tree_value *tree_value(const struct tree_section *section, enum option_id id);

/* Not given, or given so. A value that is not allowed counts as that, so that no error follows
 * from another. */
bool tree_is_default(const struct tree_section *section, enum option_id id);

/* "upstream app: server a: "; "": the top level. buf has TREE_WHERE_MAX bytes and is returned. */
const char *tree_where(const struct tree *tree, size_t section, char *buf);

#endif
