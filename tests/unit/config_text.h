/* For the tests of configurations: texts that are loaded, and the errors that come of it. */
#ifndef UNIT_CONFIG_TEXT_H
#define UNIT_CONFIG_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/load.h"

#define APP "upstream app { server a { address = \"10.0.0.9:80\" } }\n"
#define WEB "listener web { address = :80 upstream = app }\n"

/* Collects the errors as lines. */
static inline void collect(void *arg, const char *sentence) {
    char **all = arg;
    char *more;

    assert_true(asprintf(&more, "%s%s\n", *all ? *all : "", sentence) > 0);
    free(*all);
    *all = more;
}

static inline struct config *load(const char *text, char **ret_errors) {
    *ret_errors = NULL;
    return config_load_buffer("f", text, strlen(text), collect, ret_errors);
}

static inline struct config *good(const char *text) {
    char *errors;
    struct config *config = load(text, &errors);

    if (!config || errors)
        fail_msg("%s", errors);
    return config;
}

/* "workers, queue_size, ..." for "@global": all options of that section, in the order of the table.
 */
static inline void write_option_names(FILE *out, const char *section) {
    const char *separator = "";

#define OPTION(section_, name, type, def, min, max, choices, help)                                 \
    if (strcmp(section, #section_) == 0) {                                                         \
        fprintf(out, "%s" #name, separator);                                                       \
        separator = ", ";                                                                          \
    }
#include "config/options.def"
#undef OPTION
}

/* The text has exactly these errors; each line of expected ends with a newline, and "@listener" in
 * it stands for the names of all options of listener. */
static inline void bad(const char *text, const char *expected) {
    char *errors, *whole, section[32];
    size_t size;
    struct config *config = load(text, &errors);
    FILE *out = open_memstream(&whole, &size);

    assert_non_null(out);
    for (; *expected != '\0'; expected++)
        if (sscanf(expected, "@%31[a-z_]", section) == 1) {
            write_option_names(out, section);
            expected += strlen(section);
        } else {
            fputc(*expected, out);
        }
    fclose(out);
    assert_null(config);
    assert_non_null(errors);
    assert_string_equal(errors, whole);
    free(errors);
    free(whole);
}

/* A build without libssl refuses the section. */
static inline bool has_tls(void) {
    char *errors;
    struct config *config =
        load(WEB "upstream app { server a { address = 10.0.0.1:81 } tls { } }", &errors);
    bool has = config != NULL;

    assert_true(has || strstr(errors, "was built without TLS") != NULL);
    free(errors);
    config_unref(config);
    return has;
}

#endif
