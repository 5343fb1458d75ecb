/* A file is read in two passes: outline_read finds its sections, what it includes and what is not
 * known in it, then libconfuse parses the rest, with every value as text. So is each file that is
 * included, after the one that includes it. The values go to the tree, the tree to struct config.
 *
 * titles_note: libconfuse looks for a section's title among all of its kind before it, so that a
 * file of many takes it many seconds. The first pass has the titles and overwrites them; the second
 * knows none.
 *
 * sections_note: libconfuse tells when a section ends (its validating callback), but not when it
 * begins. But it meets the sections of a kind in the order of the tree, and they do not nest, so
 * the n-th to end is the n-th of its kind among the file's in the tree. */
#include "config/load.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sync.h"
#include "config/build.h"
#include "config/includes.h"
#include "config/options.h"
#include "config/outline.h"
#include "config/problems.h"
#include "config/tree.h"
#include "config/variables.h"

#define SCHEMA_MAX                                                                                 \
    ((int)OPTIONS_COUNT + (int)SECTION_COUNT + 1) /* rows of a section, CFG_END included */

struct load {
    struct tree tree;
    struct includes includes;
    struct problems problems;
    int before;               /* lines of the files that were read */
    bool whole;               /* none of them ended early */
    size_t at[SECTION_COUNT]; /* the section of each kind that the next value belongs to */
    bool said;                /* the first pass ended the text early, and said why */
    int syntax_line;          /* of libconfuse's syntax error; 0: none */
    cfg_opt_t schema[SECTION_COUNT][SCHEMA_MAX];
};

/* libconfuse's callbacks take no argument of ours, and its lexer is one for all: only one at a time
 * is in it. */
static struct lock loading = LOCK_INITIAL(RANK_OUTER);
static struct load *current GUARDED;

/* Of kinds with the same name, in different sections, that whose section comes first: those before
 * have ended (sections_note). */
static enum option_section kind_of(const char *name) REQUIRES(loading) {
    enum option_section found = SECTION_GLOBAL; /* libconfuse calls it "root" */

    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++)
        if (strcmp(options_section_name((enum option_section)i), name) == 0 &&
            (found == SECTION_GLOBAL || current->at[i] < current->at[found]))
            found = (enum option_section)i;
    return found;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result) REQUIRES(loading) {
    enum option_section kind = kind_of(cfg_name(cfg));
    const struct option_info *row = options_find(kind, cfg_opt_name(opt));
    size_t section = current->at[kind];
    int line = current->before + cfg->line;
    char *expanded = NULL;

    if (row && section < current->tree.n &&
        (expanded = variables_expand(value, line, &current->problems)) == NULL)
        current->whole = false; /* what follows from it need not be told */
    if (expanded && !tree_add_value(&current->tree, section, row, expanded, line))
        current->problems.out_of_memory = true;
    free(expanded);
    *(const char **)result = value;
    return 0;
}

static int on_section_end(cfg_t *cfg, cfg_opt_t *opt) REQUIRES(loading) {
    enum option_section kind = kind_of(cfg_opt_name(opt));

    (void)cfg;
    current->at[kind] = tree_next(&current->tree, current->at[kind], kind); /* sections_note */
    return 0;
}

PRINTF_LIKE(2, 0)
static void on_syntax_error(cfg_t *cfg, const char *fmt, va_list ap) REQUIRES(loading) {
    char text[256], shown[PROBLEMS_SHOWN_MAX];

    if (current->said || current->syntax_line != 0)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    current->syntax_line = current->before + cfg->line;
    problems_add(&current->problems, current->syntax_line, "syntax error: %s",
                 problems_show(text, shown));
}

/* The table of options in libconfuse's terms. Every option is a string, so that no value is wrong
 * to it, and has no default, for those are ours. */
static void make_schema(struct load *load) {
    size_t used[SECTION_COUNT] = {0};

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];
        cfg_opt_t *to = &load->schema[row->section][used[row->section]++];

        if (options_is_list(row))
            *to = (cfg_opt_t)CFG_STR_LIST_CB(row->name, 0, CFGF_NODEFAULT, on_value);
        else
            *to = (cfg_opt_t)CFG_STR_CB(row->name, 0, CFGF_NODEFAULT, on_value);
    }
    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++) {
        enum option_section kind = (enum option_section)i, parent = options_section_parent(kind);
        cfg_opt_t *to = &load->schema[parent][used[parent]++];

        *to = (cfg_opt_t)CFG_SEC(options_section_name(kind), load->schema[kind], CFGF_MULTI);
        to->validcb = on_section_end;
    }
    for (size_t i = 0; i < SECTION_COUNT; i++)
        load->schema[i][used[i]] = (cfg_opt_t)CFG_END();
}

/* The second pass over a file, whose sections are those of the tree from first on. False after a
 * syntax error. */
static bool run_libconfuse(struct load *load, cfg_t *cfg, const char *text, size_t first) {
    int result;

    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++)
        load->at[i] = tree_next(&load->tree, first - 1, (enum option_section)i);
    lock_acquire(&loading);
    current = load;
    result = cfg_parse_buf(cfg, text);
    current = NULL;
    lock_release(&loading);
    return result == CFG_SUCCESS;
}

/* Both passes over the text of a file, which they change. */
static void parse_text(struct load *load, cfg_t *cfg, const char *path, char *text, size_t size) {
    size_t first = load->tree.n, n_problems = load->problems.n;
    int lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    if (!places_add(&load->tree.places, path, load->before)) {
        load->problems.out_of_memory = true;
        return;
    }
    enum outline_end end = outline_read(text, size, &load->tree, &load->includes, &load->problems);
    load->said = end == OUTLINE_SAID;
    load->syntax_line = 0;
    bool whole = run_libconfuse(load, cfg, text, first) && end == OUTLINE_WHOLE;
    if (load->syntax_line != 0)
        problems_drop_after(&load->problems, load->syntax_line);
    if (!whole && load->problems.n == n_problems && !load->problems.out_of_memory)
        problems_add(&load->problems, load->before + lines, "syntax error");
    load->whole &= whole;
    load->before += lines;
}

/* The files that the first one includes, and those that they do. */
static void parse_includes(struct load *load, cfg_t *cfg) {
    struct includes *includes = &load->includes;
    char *text = includes->n > 1 ? malloc(CONFIG_SIZE_MAX + 1) : NULL, *why;
    size_t size;

    load->problems.out_of_memory |= includes->n > 1 && text == NULL;
    for (includes->at = 1; text != NULL && includes->at < includes->n; includes->at++) {
        const struct include *file = &includes->list[includes->at];

        if (includes_read(file->path, false, text, &size, &why)) {
            text[size] = '\0';
            parse_text(load, cfg, file->path, text, size);
            continue;
        }
        load->whole = false;
        if (why != NULL)
            problems_add(&load->problems, file->line, "include: %s", why);
        else
            load->problems.out_of_memory = true;
        free(why);
    }
    free(text);
}

/* It frees the lexer, too, in which another load may be. */
static void free_cfg(cfg_t *cfg) {
    lock_acquire(&loading);
    cfg_free(cfg);
    lock_release(&loading);
}

static struct config *parse_files(struct load *load, const char *path, char *text, size_t size) {
    cfg_t *cfg;

    make_schema(load);
    cfg = cfg_init(load->schema[SECTION_GLOBAL], CFGF_NONE);
    if (!cfg) {
        load->problems.out_of_memory = true;
        return NULL;
    }
    cfg_set_error_function(cfg, on_syntax_error);
    load->whole = true;
    parse_text(load, cfg, path, text, size);
    parse_includes(load, cfg);
    free_cfg(cfg);
    if (load->problems.out_of_memory) /* a tree that lacks something says nothing of the files */
        return NULL;
    struct config *config = config_build(&load->tree, path, &load->problems);
    if (config && load->whole)
        config_validate(&load->tree, config, &load->problems);
    return config;
}

struct config *config_load_buffer(const char *name, const char *text, size_t size,
                                  config_error_fn *on_error, void *arg) {
    struct load *load = calloc(1, sizeof *load);
    char *copy = malloc(size + 1);
    struct config *config = NULL;
    bool failed = true;

    if (load && copy && tree_init(&load->tree) && includes_begin(&load->includes, name)) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        config = parse_files(load, name, copy, size);
        failed = problems_any(&load->problems);
        problems_report(&load->problems, &load->tree.places, on_error, arg);
    } else {
        on_error(arg, "out of memory while the configuration was read");
    }
    if (failed) {
        config_unref(config);
        config = NULL;
    }
    if (config)
        config_take_fingerprint(config);
    if (load) {
        includes_free(&load->includes);
        tree_free(&load->tree);
    }
    free(load);
    free(copy);
    return config;
}

struct config *config_load(const char *path, config_error_fn *on_error, void *arg) {
    char *text = malloc(CONFIG_SIZE_MAX + 1), *why = NULL;
    struct config *config = NULL;
    size_t size = 0;

    if (text && includes_read(path, true, text, &size, &why))
        config = config_load_buffer(path, text, size, on_error, arg);
    else
        on_error(arg, why ? why : "out of memory while the configuration was read");
    free(why);
    free(text);
    return config;
}
