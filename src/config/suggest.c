#include "config/suggest.h"

#include <string.h>

#include "base/text.h"
#include "config/foreign.h"

#define LIST_MAX 1024

bool suggest_is_near(const char *word, const char *meant) {
    unsigned len = (unsigned)strlen(word), limit = len / 3 > 2 ? len / 3 : 2;
    unsigned distance = text_distance(word, meant);

    return distance <= limit && distance < len;
}

bool suggest_is_section(const char *name) {
    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++)
        if (strcmp(options_section_name((enum option_section)i), name) == 0)
            return true;
    return false;
}

/* Where the name is known, as "in section listener or server"; false if it is nowhere. */
static bool where_it_belongs(const char *name, bool is_section, char *buf, size_t size) {
    const char *before = "in section ", *last = "";

    buf[0] = '\0';
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        enum option_section at = (enum option_section)i, inner;

        if (is_section ? !options_section_find(at, name, &inner) : !options_find(at, name))
            continue;
        if (strcmp(last, options_section_name(at)) == 0 && at != SECTION_GLOBAL)
            continue; /* tls is in two kinds of sections */
        last = options_section_name(at);
        if (at == SECTION_GLOBAL) {
            text_append(buf, size, "at the top level, outside of any section");
        } else {
            text_append(buf, size, "%s%s", before, options_section_name(at));
        }
        before = at == SECTION_GLOBAL ? " or in section " : " or ";
    }
    return buf[0] != '\0';
}

/* The i-th name that may stand in this section, of its sections or of its options; NULL after the
 * last. */
static const char *known_name(enum option_section here, bool is_section, size_t i) {
    size_t n = is_section ? (size_t)SECTION_COUNT : (size_t)OPTIONS_COUNT;

    for (size_t k = is_section ? SECTION_GLOBAL + 1 : 0; k < n; k++) {
        enum option_section at =
            is_section ? options_section_parent((enum option_section)k) : option_infos[k].section;

        if (at == here && i-- == 0)
            return is_section ? options_section_name((enum option_section)k) : option_infos[k].name;
    }
    return NULL;
}

/* The known name that is nearest, if it is near. */
static const char *nearest_name(const char *name, enum option_section here, bool is_section) {
    const char *best = NULL, *known;

    for (size_t i = 0; (known = known_name(here, is_section, i)); i++)
        if (suggest_is_near(name, known) &&
            (!best || text_distance(name, known) < text_distance(name, best)))
            best = known;
    return best;
}

/* "known here: a, b" */
static void list_known(enum option_section here, bool is_section, char *buf, size_t size) {
    const char *known;

    buf[0] = '\0';
    for (size_t i = 0; (known = known_name(here, is_section, i)); i++)
        text_append(buf, size, "%s%s", i == 0 ? "known here: " : ", ", known);
    if (buf[0] == '\0')
        text_append(buf, size, "no section is known here");
}

static void suggest_foreign(struct problems *problems, int line, const char *where,
                            const char *name, const char *whose) {
    problems_add(problems, line,
                 "%s\"%s\" is a word of %s; relayd.conf(5), FROM NGINX AND HAPROXY, has a file of "
                 "each translated",
                 where, name, whose);
}

void suggest_name(const struct tree *tree, size_t section, int line, const char *name,
                  bool is_section, struct problems *problems) {
    enum option_section here = tree->sections[section].kind;
    const char *kind = is_section ? "section" : "option",
               *meant = nearest_name(name, here, is_section), *foreign = foreign_find(name);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], list[LIST_MAX];

    tree_where(tree, section, where);
    problems_show(name, shown);
    if (strcmp(name, ";") == 0) {
        problems_add(problems, line, "%sno \";\" ends anything here: leave it out", where);
    } else if (foreign && section == 0 && !(is_section && meant && strcmp(name, "listen") == 0)) {
        suggest_foreign(problems, line, where, name, foreign);
    } else if (where_it_belongs(name, is_section, list, sizeof list)) {
        problems_add(problems, line, "%s%s \"%s\" belongs %s%s", where, kind, shown, list,
                     is_section && section != 0 ? "; is a \"}\" missing before it?" : "");
    } else if (foreign && !(is_section && meant)) {
        suggest_foreign(problems, line, where, name, foreign);
    } else if (meant) {
        problems_add(problems, line, "%sunknown %s \"%s\"; did you mean %s?", where, kind, shown,
                     meant);
    } else {
        list_known(here, is_section, list, sizeof list);
        problems_add(problems, line, "%sunknown %s \"%s\"; %s", where, kind, shown, list);
    }
}
