/* The table of options, made from options.def. Pure; any thread. */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum option_section {
    SECTION_GLOBAL, /* the top level of the file */
    SECTION_LISTENER,
    SECTION_UPSTREAM,
    SECTION_SERVER,       /* inside an upstream */
    SECTION_HEALTH_CHECK, /* inside an upstream, without a title */
    SECTION_STATUS,       /* without a title */
    SECTION_LISTENER_TLS, /* tls, inside a listener, without a title */
    SECTION_UPSTREAM_TLS, /* the same, inside an upstream */
    SECTION_ROUTE,        /* inside a listener */
    SECTION_COUNT
};

enum option_type {
    OPTION_NUMBER,    /* int64_t */
    OPTION_DURATION,  /* usec_t */
    OPTION_BOOL,      /* bool */
    OPTION_CHOICE,    /* int: the index in choices */
    OPTION_ADDRESSES, /* not scalar: build.c reads these */
    OPTION_ADDRESS,
    OPTION_UPSTREAM, /* size_t: the index in config.upstreams; config_validate finds it */
    OPTION_PREFIXES, /* struct prefix_list */
    OPTION_SOURCES,  /* struct source_list */
    OPTION_TEXT,     /* char *, never NULL */
    OPTION_TEXTS,    /* struct text_list */
};

/* OPT_listener_copy and so on: the index in option_infos. */
enum option_id {
#define OPTION(section, name, type, def, min, max, choices, help) OPT_##section##_##name,
#include "config/options.def"
#undef OPTION
    OPTIONS_COUNT
};

struct option_info {
    enum option_section section;
    const char *name;
    enum option_type type;
    const char *default_text; /* NULL: must be given */
    int64_t min, max;
    const char *choices; /* "a|b|c" */
    const char *help;
    size_t offset; /* of the value, in struct <section>_config */
};

extern const struct option_info option_infos[OPTIONS_COUNT];

/* Room for what options_format and options_allowed write, NUL included. */
#define OPTIONS_TEXT_MAX 160

/* NULL: none. */
const struct option_info *options_find(enum option_section section, const char *name);

/* "listener"; "" for the top level. */
const char *options_section_name(enum option_section section);

bool options_section_has_title(enum option_section section);

/* The section around a section; of SECTION_GLOBAL, itself. */
enum option_section options_section_parent(enum option_section section);

/* The section of this name that may stand in parent. False: none. */
bool options_section_find(enum option_section parent, const char *name,
                          enum option_section *ret) MUST_USE;

/* A list in braces; one item. */
bool options_is_list(const struct option_info *row);
bool options_is_scalar(const struct option_info *row);

/* Reads a scalar row's value into its member of the struct at base. False: not allowed, nothing is
 * written. */
bool options_parse(const struct option_info *row, const char *text, void *base) MUST_USE;

/* Writes a scalar row's value in the file's syntax. Returns buf. */
const char *options_format(const struct option_info *row, const void *base, char *buf, size_t size);

/* Sets the section's scalars in the struct at base. */
void options_set_defaults(enum option_section section, void *base);

/* Whether a scalar or TEXT row is at its default. */
bool options_is_default(const struct option_info *row, const void *base);

/* Compares all scalar and TEXT rows. */
bool options_equal(enum option_section section, const void *a, const void *b);

/* "must be a number from 1 to 1000000", "must be auto, buffer or splice". Returns buf. */
const char *options_allowed(const struct option_info *row, char *buf, size_t size);

/* The same, for a text that was refused: with the units of a number that has another one. */
const char *options_allowed_for(const struct option_info *row, const char *text, char *buf,
                                size_t size);

#endif
