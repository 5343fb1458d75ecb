/* A file is read in two passes: outline_read finds its sections and what is not known in it, then
 * libconfuse parses the rest, with every value as text. The values go to the tree, the tree to
 * struct config.
 *
 * titles_note: libconfuse looks for a section's title among all of its kind before it, so that a
 * file of many takes it many seconds. The first pass has the titles and overwrites them; the second
 * knows none.
 *
 * sections_note: libconfuse tells when a section ends (its validating callback), but not when it
 * begins. But it meets the sections of a kind in the order of the tree, and they do not nest, so
 * the n-th to end is the n-th of its kind in the tree. */
#include "config/load.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sync.h"
#include "config/build.h"
#include "config/options.h"
#include "config/outline.h"
#include "config/problems.h"
#include "config/tree.h"

#define SCHEMA_MAX                                                                                 \
    ((int)OPTIONS_COUNT + (int)SECTION_COUNT + 1) /* rows of a section, CFG_END included */

struct load {
    struct tree tree;
    struct problems problems;
    size_t at[SECTION_COUNT]; /* the section of each kind that the next value belongs to */
    bool said;                /* the first pass ended the text early, and said why */
    int syntax_line;          /* of libconfuse's syntax error; 0: none */
    cfg_opt_t schema[SECTION_COUNT][SCHEMA_MAX];
};

/* libconfuse's callbacks take no argument of ours, and its lexer is one for all. One load at a
 * time. */
static struct lock loading = LOCK_INITIAL(RANK_OUTER);
static struct load *current GUARDED;

static enum option_section kind_of(const char *name) {
    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++)
        if (strcmp(options_section_name((enum option_section)i), name) == 0)
            return (enum option_section)i;
    return SECTION_GLOBAL; /* libconfuse calls it "root" */
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result) REQUIRES(loading) {
    enum option_section kind = kind_of(cfg_name(cfg));
    const struct option_info *row = options_find(kind, cfg_opt_name(opt));
    size_t section = current->at[kind];

    if (row && section < current->tree.n &&
        !tree_add_value(&current->tree, section, row, value, cfg->line))
        current->problems.out_of_memory = true;
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
    current->syntax_line = cfg->line;
    problems_add(&current->problems, cfg->line, "syntax error: %s", problems_show(text, shown));
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

/* The second pass. False after a syntax error. */
static bool run_libconfuse(struct load *load, const char *text) {
    cfg_t *cfg;
    int result;

    make_schema(load);
    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++)
        load->at[i] = tree_next(&load->tree, 0, (enum option_section)i);
    cfg = cfg_init(load->schema[SECTION_GLOBAL], CFGF_NONE);
    if (!cfg) {
        load->problems.out_of_memory = true;
        return false;
    }
    cfg_set_error_function(cfg, on_syntax_error);
    lock_acquire(&loading);
    current = load;
    result = cfg_parse_buf(cfg, text);
    current = NULL;
    lock_release(&loading);
    cfg_free(cfg);
    return result == CFG_SUCCESS;
}

/* Both passes over the text, which they change. */
static struct config *parse_text(struct load *load, const char *name, char *text, size_t size) {
    enum outline_end end = outline_read(text, size, &load->tree, &load->problems);
    struct config *config;
    bool whole;

    load->said = end == OUTLINE_SAID;
    whole = run_libconfuse(load, text) && end == OUTLINE_WHOLE;
    if (load->syntax_line != 0)
        problems_drop_after(&load->problems, load->syntax_line);
    if (!whole && !problems_any(&load->problems))
        problems_add(&load->problems, load->tree.last_line, "syntax error");
    config = config_build(&load->tree, name, &load->problems);
    if (config && whole)
        config_validate(&load->tree, config, &load->problems);
    return config;
}

struct config *config_load_buffer(const char *name, const char *text, size_t size,
                                  config_error_fn *on_error, void *arg) {
    struct load *load = calloc(1, sizeof *load);
    char *copy = malloc(size + 1);
    struct config *config = NULL;
    bool failed = true;

    if (load && copy && tree_init(&load->tree)) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        config = parse_text(load, name, copy, size);
        failed = problems_any(&load->problems);
        problems_report(&load->problems, name, on_error, arg);
    } else {
        on_error(arg, "out of memory while the configuration was read");
    }
    if (failed) {
        config_unref(config);
        config = NULL;
    }
    if (load)
        tree_free(&load->tree);
    free(load);
    free(copy);
    return config;
}

/* What to do about a file that cannot be read. kind: what it is, with -EBADF. */
static void report_unreadable(const char *path, int error, const char *kind,
                              config_error_fn *on_error, void *arg) {
    char *sentence;
    int len;

    errno = error;
    if (error == ENOENT)
        len = asprintf(&sentence,
                       "%s: there is no such file; name another with -f FILE, or run without one: "
                       "relayd --proxy HOST:PORT",
                       path);
    else if (error == EACCES)
        len = asprintf(&sentence,
                       "%s: permission denied; let user %u read the file and search its directory",
                       path, (unsigned)geteuid());
    else if (error == EBADF)
        len = asprintf(&sentence, "%s: %s; name a regular file with -f FILE", path, kind);
    else if (error == EFBIG)
        len = asprintf(&sentence, "%s: larger than %zu bytes; is it a configuration?", path,
                       CONFIG_SIZE_MAX);
    else
        len = asprintf(&sentence, "%s: cannot be read: %m", path);
    if (len < 0) {
        on_error(arg, "out of memory while the configuration was read");
        return;
    }
    on_error(arg, sentence);
    free(sentence);
}

struct config *config_load(const char *path, config_error_fn *on_error, void *arg) {
    char *text = malloc(CONFIG_SIZE_MAX + 1);
    struct config *config = NULL;
    const char *kind = NULL;
    size_t size = 0;
    int result = text ? file_read(path, text, CONFIG_SIZE_MAX + 1, &size, &kind) : -ENOMEM;

    if (result == 0 && size > CONFIG_SIZE_MAX)
        result = -EFBIG;
    if (result < 0)
        report_unreadable(path, -result, kind, on_error, arg);
    else
        config = config_load_buffer(path, text, size, on_error, arg);
    free(text);
    return config;
}
