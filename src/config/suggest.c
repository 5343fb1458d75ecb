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

/* The other kind of tls section; of any other section, none. */
static enum option_section tls_counterpart(enum option_section section) {
    return section == SECTION_LISTENER_TLS   ? SECTION_UPSTREAM_TLS
           : section == SECTION_UPSTREAM_TLS ? SECTION_LISTENER_TLS
                                             : SECTION_COUNT;
}

/* What follows the name of a section that knows this option: which tls section it is, unless both
 * know it. */
static const char *name_tls_owner(enum option_section at, const char *name) {
    enum option_section other = tls_counterpart(at);

    if (other == SECTION_COUNT || options_find(other, name) != NULL)
        return "";
    return at == SECTION_LISTENER_TLS ? " of a listener" : " of an upstream";
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
            text_append(buf, size, "%s%s%s", before, options_section_name(at),
                        is_section ? "" : name_tls_owner(at, name));
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
                            const char *name, const struct foreign *foreign) {
    if (foreign->here != NULL) {
        problems_add(problems, line, "%s\"%s\" is a word of %s; here it is %s", where, name,
                     foreign->of, foreign->here);
        return;
    }
    problems_add(problems, line,
                 "%s\"%s\" is a word of %s; relayd.conf(5), FROM NGINX AND HAPROXY, has a file of "
                 "each translated",
                 where, name, foreign->of);
}

/* A word of TLS, in a tls section or where it would be. False: it is none, or of no use to say. */
static bool suggest_tls(enum option_section here, int line, const char *where, const char *name,
                        struct problems *problems) {
    bool inside = tls_counterpart(here) != SECTION_COUNT, server = here == SECTION_SERVER;
    enum option_section tls = server ? SECTION_UPSTREAM_TLS : here;
    const char *meant = foreign_find_tls(name, here);
    char shown[PROBLEMS_SHOWN_MAX];

    if (meant == NULL || (!inside && !server && !options_section_find(here, "tls", &tls)))
        return false;
    if (options_find(tls, name) != NULL)
        return false; /* it is right, and stands at the wrong place */
    problems_show(name, shown);
    if (options_find(tls, meant) != NULL)
        problems_add(problems, line, "%sunknown option \"%s\"; did you mean %s%s?", where, shown,
                     meant,
                     inside   ? ""
                     : server ? " in section tls of its upstream"
                              : " in section tls");
    else
        problems_add(problems, line, "%sunknown option \"%s\": %s", where, shown, meant);
    return true;
}

void suggest_name(const struct tree *tree, size_t section, int line, const char *name,
                  bool is_section, struct problems *problems) {
    enum option_section here = tree->sections[section].kind;
    const char *kind = is_section ? "section" : "option",
               *meant = nearest_name(name, here, is_section);
    const struct foreign *foreign = foreign_find(name);
    char where[TREE_WHERE_MAX], shown[PROBLEMS_SHOWN_MAX], list[LIST_MAX];

    tree_where(tree, section, where);
    problems_show(name, shown);
    if (strcmp(name, ";") == 0) {
        problems_add(problems, line, "%sno \";\" ends anything here: leave it out", where);
    } else if (foreign && section == 0 && !(is_section && meant && strcmp(name, "listen") == 0)) {
        suggest_foreign(problems, line, where, name, foreign);
    } else if (!is_section && suggest_tls(here, line, where, name, problems)) {
        return;
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
