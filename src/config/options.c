#include "config/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/config.h"

#define SECTION_OF_global       SECTION_GLOBAL
#define SECTION_OF_status       SECTION_STATUS
#define SECTION_OF_listener     SECTION_LISTENER
#define SECTION_OF_upstream     SECTION_UPSTREAM
#define SECTION_OF_server       SECTION_SERVER
#define SECTION_OF_health_check SECTION_HEALTH_CHECK
#define SECTION_OF_listener_tls SECTION_LISTENER_TLS
#define SECTION_OF_upstream_tls SECTION_UPSTREAM_TLS
#define SECTION_OF_route        SECTION_ROUTE

const struct option_info option_infos[OPTIONS_COUNT] = {
#define OPTION(in, word, kind, def, least, most, words, sentence)                                  \
    [OPT_##in##_##word] = {.section = SECTION_OF_##in,                                             \
                           .name = #word,                                                          \
                           .type = OPTION_##kind,                                                  \
                           .default_text = (def),                                                  \
                           .min = (least),                                                         \
                           .max = (most),                                                          \
                           .choices = (words),                                                     \
                           .help = (sentence),                                                     \
                           .offset = offsetof(struct in##_config, word)},
#include "config/options.def"
#undef OPTION
};

static const struct {
    const char *name;
    enum option_section parent;
} sections[SECTION_COUNT] = {
    [SECTION_GLOBAL] = {"", SECTION_GLOBAL},
    [SECTION_LISTENER] = {"listener", SECTION_GLOBAL},
    [SECTION_UPSTREAM] = {"upstream", SECTION_GLOBAL},
    [SECTION_SERVER] = {"server", SECTION_UPSTREAM},
    [SECTION_HEALTH_CHECK] = {"health_check", SECTION_UPSTREAM},
    [SECTION_STATUS] = {"status", SECTION_GLOBAL},
    [SECTION_LISTENER_TLS] = {"tls", SECTION_LISTENER},
    [SECTION_UPSTREAM_TLS] = {"tls", SECTION_UPSTREAM},
    [SECTION_ROUTE] = {"route", SECTION_LISTENER},
};

const struct option_info *options_find(enum option_section section, const char *name) {
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (option_infos[i].section == section && strcmp(option_infos[i].name, name) == 0)
            return &option_infos[i];
    return NULL;
}

const char *options_section_name(enum option_section section) {
    return sections[section].name;
}

enum option_section options_section_parent(enum option_section section) {
    return sections[section].parent;
}

bool options_section_find(enum option_section parent, const char *name, enum option_section *ret) {
    for (size_t i = SECTION_GLOBAL + 1; i < SECTION_COUNT; i++) {
        if (sections[i].parent == parent && strcmp(sections[i].name, name) == 0) {
            *ret = (enum option_section)i;
            return true;
        }
    }
    return false;
}

bool options_is_scalar(const struct option_info *row) {
    return !options_is_list(row) && row->type != OPTION_ADDRESS && row->type != OPTION_UPSTREAM &&
           row->type != OPTION_TEXT;
}

bool options_is_list(const struct option_info *row) {
    return row->type == OPTION_ADDRESSES || row->type == OPTION_PREFIXES ||
           row->type == OPTION_SOURCES || row->type == OPTION_TEXTS;
}

bool options_section_has_title(enum option_section section) {
    return section != SECTION_HEALTH_CHECK && section != SECTION_STATUS &&
           section != SECTION_LISTENER_TLS && section != SECTION_UPSTREAM_TLS;
}

/* The word at the start of a row's choices, or of what is left of them; *ret_next is where the next
 * one starts, NULL after the last. */
static size_t choice_length(const char *choices, const char **ret_next) {
    size_t len = strcspn(choices, "|");

    *ret_next = choices[len] == '|' ? choices + len + 1 : NULL;
    return len;
}

static bool parse_choice(const char *choices, const char *text, int *ret) {
    int index = 0;

    for (const char *next; choices; choices = next, index++) {
        size_t len = choice_length(choices, &next);

        if (strlen(text) == len && strncmp(text, choices, len) == 0) {
            *ret = index;
            return true;
        }
    }
    return false;
}

static bool parse_bool(const char *text, bool *ret) {
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "off") == 0;

    if (yes || no)
        *ret = yes;
    return yes || no;
}

bool options_parse(const struct option_info *row, const char *text, void *base) {
    void *member = (char *)base + row->offset;
    int64_t n;

    CHECK(options_is_scalar(row));
    if (row->type == OPTION_BOOL)
        return parse_bool(text, member);
    if (row->type == OPTION_CHOICE)
        return parse_choice(row->choices, text, member);
    if (row->type == OPTION_DURATION ? !text_parse_duration(text, &n) : !text_parse_size(text, &n))
        return false;
    if (n < row->min || n > row->max)
        return false;
    memcpy(member, &n, sizeof n);
    return true;
}

static const char *format_choice(const char *choices, int index, char *buf, size_t size) {
    const char *next;
    size_t len = choice_length(choices, &next);

    for (; index > 0 && next; index--) {
        choices = next;
        len = choice_length(choices, &next);
    }
    buf[0] = '\0';
    text_append(buf, size, "%.*s", (int)len, choices);
    return buf;
}

const char *options_format(const struct option_info *row, const void *base, char *buf,
                           size_t size) {
    const void *member = (const char *)base + row->offset;

    CHECK(options_is_scalar(row));
    if (row->type == OPTION_DURATION)
        return text_format_duration(*(const usec_t *)member, buf, size);
    if (row->type == OPTION_CHOICE)
        return format_choice(row->choices, *(const int *)member, buf, size);
    if (row->type == OPTION_BOOL)
        snprintf(buf, size, "%s", *(const bool *)member ? "true" : "false");
    else
        snprintf(buf, size, "%" PRId64, *(const int64_t *)member);
    return buf;
}

void options_set_defaults(enum option_section section, void *base) {
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section == section && options_is_scalar(row))
            CHECK(row->default_text && options_parse(row, row->default_text, base));
    }
}

/* "must be auto, buffer or splice" */
static void allowed_choice(const char *choices, char *buf, size_t size) {
    const char *before = "must be ";

    buf[0] = '\0';
    for (const char *next; choices; choices = next) {
        size_t len = choice_length(choices, &next);

        text_append(buf, size, "%s%.*s", before, (int)len, choices);
        before = next && strchr(next, '|') ? ", " : " or ";
    }
}

static const char *text_of(const struct option_info *row, const void *base) {
    return *(char *const *)(const void *)((const char *)base + row->offset);
}

static bool is_equal(const struct option_info *row, const void *a, const void *b) {
    char text_a[OPTIONS_TEXT_MAX], text_b[OPTIONS_TEXT_MAX];

    if (row->type == OPTION_TEXT)
        return strcmp(text_of(row, a), text_of(row, b)) == 0;
    return !options_is_scalar(row) || strcmp(options_format(row, a, text_a, sizeof(text_a)),
                                             options_format(row, b, text_b, sizeof(text_b))) == 0;
}

bool options_is_default(const struct option_info *row, const void *base) {
    union {
        struct global_config global;
        struct listener_config listener;
        struct upstream_config upstream;
        struct server_config server;
        struct health_check_config health_check;
        struct listener_tls_config listener_tls;
        struct upstream_tls_config upstream_tls;
        struct route_config route;
    } plain;

    if (row->type == OPTION_TEXT)
        return strcmp(text_of(row, base), row->default_text) == 0;
    CHECK(options_parse(row, row->default_text, &plain));
    return is_equal(row, base, &plain);
}

bool options_equal(enum option_section section, const void *a, const void *b) {
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (option_infos[i].section == section && !is_equal(&option_infos[i], a, b))
            return false;
    return true;
}

const char *options_allowed(const struct option_info *row, char *buf, size_t size) {
    char min[32], max[32];

    switch (row->type) {
    case OPTION_NUMBER:
        snprintf(buf, size, "must be a number from %" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case OPTION_DURATION:
        snprintf(buf, size, "must be a duration from %s to %s, such as 250ms, 5s, 10m or 1h",
                 text_format_duration(row->min, min, sizeof min),
                 text_format_duration(row->max, max, sizeof max));
        break;
    case OPTION_BOOL:
        snprintf(buf, size, "must be true or false");
        break;
    case OPTION_CHOICE:
        allowed_choice(row->choices, buf, size);
        break;
    case OPTION_ADDRESSES:
        snprintf(buf, size, "must be an address or a list of them, as in \":8080\"");
        break;
    case OPTION_ADDRESS:
        snprintf(buf, size, "must be an address, as in \"127.0.0.1:80\"");
        break;
    case OPTION_UPSTREAM:
        snprintf(buf, size, "must be the title of an upstream section");
        break;
    case OPTION_PREFIXES:
        snprintf(buf, size,
                 "must be a prefix or a list of them, as in {\"10.0.0.0/8\", \"2001:db8::/32\"}");
        break;
    case OPTION_SOURCES:
        snprintf(buf, size,
                 "must be an IP address or a list of them, as in {\"10.0.0.5\", \"10.0.0.6\"}");
        break;
    case OPTION_TEXTS:
        snprintf(buf, size, "must be one value or a list of them in braces");
        break;
    case OPTION_TEXT:
        snprintf(buf, size, "must be one value");
        break;
    }
    return buf;
}

const char *options_allowed_for(const struct option_info *row, const char *text, char *buf,
                                size_t size) {
    size_t digits = strspn(text, "0123456789"), n;

    options_allowed(row, buf, size);
    n = strlen(buf);
    if (row->type == OPTION_NUMBER && digits > 0 && isalpha((unsigned char)text[digits]))
        snprintf(buf + n, size - n, "; units are k (1024), M (1024 k) and G (1024 M)");
    return buf;
}
