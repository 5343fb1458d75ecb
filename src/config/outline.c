#include "config/outline.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/scan.h"
#include "config/suggest.h"
#include "config/variables.h"

#define INCLUDE        "include"
#define NAME_MAX_BYTES 320 /* no name or title is longer and still right: config/routes.h */

struct outline {
    struct scan scan;
    struct tree *tree;
    struct includes *includes;
    struct problems *problems;
    size_t section; /* that we are in */
    bool said;      /* the text ends too early, and that was noted */
};

/* Skips what is in braces or parentheses, up to and with its closing one. */
static bool skip_block(struct outline *outline, enum token_kind open, enum token_kind close,
                       int line) {
    for (size_t depth = 1; depth > 0;) {
        struct token token = scan_next(&outline->scan);

        if (token.kind == TOKEN_BAD)
            return false;
        if (token.kind == TOKEN_END) {
            problems_add(outline->problems, line,
                         "what is opened here is never closed: "
                         "a \"%c\" is missing",
                         close == TOKEN_CLOSE ? '}' : ')');
            return false;
        }
        if (token.kind == open)
            depth++;
        else if (token.kind == close)
            depth--;
    }
    return true;
}

/* Ends the text before the statement that starts with this token. */
static bool cut_outline(struct outline *outline, struct token name) {
    if (!outline->scan.bad)
        scan_cut(&outline->scan, name.start);
    return false;
}

/* Nobody knows it here: says so. section: it was written as NAME [TITLE] {...}. */
static void note_unknown(struct outline *outline, struct token name, const char *text,
                         enum token_kind next, bool section) {
    char where[TREE_WHERE_MAX];

    tree_where(outline->tree, outline->section, where);
    if (strcmp(text, INCLUDE) == 0 && outline->section != 0)
        problems_add(outline->problems, name.line,
                     "%sinclude belongs at the top level, outside of any section", where);
    else if (strcmp(text, INCLUDE) == 0)
        problems_add(outline->problems, name.line,
                     "include is written as include \"/etc/relayd.d/*.conf\"");
    else if (next == TOKEN_OPEN && outline->section == 0 && strcmp(text, "server") == 0)
        problems_add(outline->problems, name.line,
                     "\"server {\" is of nginx; relayd.conf(5), FROM NGINX AND HAPROXY, has such a "
                     "file translated");
    else
        suggest_name(outline->tree, outline->section, name.line, text, section, outline->problems);
}

/* include "PATTERN" */
static bool pass_include(struct outline *outline, struct token name, struct token pattern) {
    char text[PATH_MAX];

    scan_word(&outline->scan, pattern, text, sizeof text);
    char *expanded = variables_expand(text, pattern.line, outline->problems);
    if (outline->section != 0)
        note_unknown(outline, name, INCLUDE, pattern.kind, false);
    else if (expanded)
        includes_add(outline->includes, expanded, name.line, &outline->tree->places,
                     outline->problems);
    free(expanded);
    scan_blank(&outline->scan, name.start, pattern.end);
    return true;
}

/* An option or a section that is not known here: notes it and overwrites it. The forms are
 * x = y, x += y, x = {...}, x {...}, x y {...} and x(...); another is a syntax error. */
static bool pass_unknown(struct outline *outline, struct token name, const char *text) {
    struct scan *scan = &outline->scan;
    struct token op = scan_next(scan), next = op;
    bool assigned = op.kind == TOKEN_ASSIGN || op.kind == TOKEN_APPEND;

    if (op.kind == TOKEN_WORD && strcmp(text, INCLUDE) == 0)
        return pass_include(outline, name, op);
    if (assigned || op.kind == TOKEN_WORD)
        next = scan_next(scan);
    bool braces = next.kind == TOKEN_OPEN, parentheses = next.kind == TOKEN_PAREN_OPEN && !assigned;
    note_unknown(outline, name, text, op.kind, braces && !assigned);
    if (!braces && !parentheses && !(assigned && next.kind == TOKEN_WORD))
        return cut_outline(outline, name);
    if (braces && !skip_block(outline, TOKEN_OPEN, TOKEN_CLOSE, next.line))
        return cut_outline(outline, name);
    if (parentheses && !skip_block(outline, TOKEN_PAREN_OPEN, TOKEN_PAREN_CLOSE, next.line))
        return cut_outline(outline, name);
    scan_blank(scan, name.start, scan->at);
    return true;
}

static void note_given(struct outline *outline, const struct option_info *row, bool append,
                       int line) {
    struct tree_section *section = &outline->tree->sections[outline->section];
    int *given = &section->given[row - option_infos];
    char where[TREE_WHERE_MAX], first[PLACES_TEXT_MAX];

    if (*given != 0 && !append)
        problems_add(outline->problems, line, "%s%s is given twice; the first is on %s",
                     tree_where(outline->tree, outline->section, where), row->name,
                     places_say(&outline->tree->places, line, *given, first));
    else
        *given = line;
}

/* A known option: its value is libconfuse's to read, only a list where none can be is overwritten.
 */
static bool known_option(struct outline *outline, struct token name,
                         const struct option_info *row) {
    struct token op = scan_next(&outline->scan), value;
    char where[TREE_WHERE_MAX], allowed[OPTIONS_TEXT_MAX];

    if (op.kind == TOKEN_WORD && suggest_is_section(row->name)) {
        suggest_name(outline->tree, outline->section, name.line, row->name, true,
                     outline->problems);
        return cut_outline(outline, name);
    }
    if (op.kind != TOKEN_ASSIGN && op.kind != TOKEN_APPEND)
        return false;
    note_given(outline, row, op.kind == TOKEN_APPEND, name.line);
    value = scan_next(&outline->scan);
    if (value.kind == TOKEN_WORD)
        return true;
    if (value.kind != TOKEN_OPEN)
        return false;
    if (!skip_block(outline, TOKEN_OPEN, TOKEN_CLOSE, value.line))
        return cut_outline(outline, name);
    if (!options_is_list(row)) {
        problems_add(outline->problems, name.line, "%s%s = {...}: %s, not a list",
                     tree_where(outline->tree, outline->section, where), row->name,
                     options_allowed(row, allowed, sizeof allowed));
        scan_blank(&outline->scan, name.start, outline->scan.at);
    }
    return true;
}

/* A title where none belongs: notes it and overwrites it. */
static void drop_title(struct outline *outline, enum option_section kind, struct token title) {
    char where[TREE_WHERE_MAX], text[NAME_MAX_BYTES], shown[PROBLEMS_SHOWN_MAX];

    scan_word(&outline->scan, title, text, sizeof text);
    problems_add(outline->problems, title.line,
                 "%ssection %s takes no title, and \"%s\" stands there",
                 tree_where(outline->tree, outline->section, where), options_section_name(kind),
                 problems_show(text, shown));
    scan_blank(&outline->scan, title.start, title.end);
}

/* The text ends where a title is missing. */
static bool lack_title(struct outline *outline, enum option_section kind, struct token at) {
    if (at.kind == TOKEN_BAD)
        return false;
    problems_add(outline->problems, at.line, "syntax error: missing title for section '%s'",
                 options_section_name(kind));
    scan_cut(&outline->scan, at.start);
    return false;
}

/* nginx and HAProxy write a server as one line. The text ends here. */
static bool lack_braces(struct outline *outline, struct token title, struct token at) {
    char where[TREE_WHERE_MAX];

    if (at.kind == TOKEN_BAD)
        return false;
    problems_add(outline->problems, title.line,
                 "%sa server is a section with a title, as in server a { address = "
                 "\"127.0.0.1:80\" }; a line as in nginx or HAProxy is none",
                 tree_where(outline->tree, outline->section, where));
    return cut_outline(outline, at);
}

static bool known_section(struct outline *outline, enum option_section kind) {
    struct token title = scan_next(&outline->scan), open = title;
    char text[NAME_MAX_BYTES] = "";

    if (title.kind == TOKEN_WORD && options_section_has_title(kind))
        scan_word(&outline->scan, title, text, sizeof text);
    else if (title.kind == TOKEN_WORD)
        drop_title(outline, kind, title);
    else if (options_section_has_title(kind))
        return lack_title(outline, kind, title);
    if (title.kind == TOKEN_WORD)
        open = scan_next(&outline->scan);
    if (title.kind == TOKEN_WORD) /* titles_note in load.c */
        scan_blank(&outline->scan, title.start, title.end);
    if (open.kind != TOKEN_OPEN)
        return kind == SECTION_SERVER && open.kind != TOKEN_END ? lack_braces(outline, title, open)
                                                                : false;
    char *expanded = variables_expand(text, title.line, outline->problems);
    if (!expanded)
        return cut_outline(outline, open);
    bool added = tree_add_section(outline->tree, kind, outline->section, expanded, title.line);
    free(expanded);
    outline->problems->out_of_memory |= !added;
    outline->section = outline->tree->n - 1;
    return added;
}

static bool read_statement(struct outline *outline, struct token name) {
    enum option_section here = outline->tree->sections[outline->section].kind, inner;
    const struct option_info *row;
    char text[NAME_MAX_BYTES];

    scan_word(&outline->scan, name, text, sizeof text);
    if (variables_are_in(text)) {
        problems_add(outline->problems, name.line,
                     "${...} stands for a value, a title or a path, not for the name of an option");
        return cut_outline(outline, name);
    }
    row = options_find(here, text);
    if (row)
        return known_option(outline, name, row);
    if (options_section_find(here, text, &inner))
        return known_section(outline, inner);
    return pass_unknown(outline, name, text);
}

/* The line of the last byte that is not blank. */
static int last_line(const struct scan *scan) {
    int line = scan->line;

    for (size_t at = scan->size; at > 0 && strchr(" \t\r\n", scan->text[at - 1]); at--)
        line -= scan->text[at - 1] == '\n';
    return line;
}

/* At the end of the text every section must be closed; libconfuse does not mind. */
static bool finish_outline(struct outline *outline) {
    const struct places *places = &outline->tree->places;
    char where[TREE_WHERE_MAX], begun[PLACES_TEXT_MAX];
    int line = last_line(&outline->scan);

    if (places->n == 1)
        outline->tree->last_line = line;
    if (outline->section == 0)
        return true;
    problems_add(outline->problems, line,
                 "%sthe file ends before this section, begun on %s, is closed: "
                 "a \"}\" is missing",
                 tree_where(outline->tree, outline->section, where),
                 places_say(places, line, outline->tree->sections[outline->section].line, begun));
    outline->said = true;
    return false;
}

static bool read_all(struct outline *outline) {
    for (;;) {
        struct token token = scan_next(&outline->scan);

        if (token.kind == TOKEN_END)
            return finish_outline(outline);
        if (token.kind == TOKEN_CLOSE && outline->section != 0)
            outline->section = outline->tree->sections[outline->section].parent;
        else if (token.kind != TOKEN_WORD || !read_statement(outline, token))
            return false;
    }
}

enum outline_end outline_read(char *text, size_t size, struct tree *tree, struct includes *includes,
                              struct problems *problems) {
    struct outline outline = {.tree = tree, .includes = includes, .problems = problems};

    scan_init(&outline.scan, text, size, tree->places.list[tree->places.n - 1].before, problems);
    if (read_all(&outline))
        return OUTLINE_WHOLE;
    if (outline.scan.bad || outline.said || problems->out_of_memory)
        return OUTLINE_SAID;
    scan_cut(&outline.scan, outline.scan.at);
    return OUTLINE_SYNTAX;
}
