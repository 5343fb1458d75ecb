#include "config/config.h"
#include "config/options.h"

#include <string.h>

/* In double quotes, as the file takes them. */
static void print_quoted(const char *text, FILE *out) {
    putc('"', out);
    for (; *text; text++) {
        if (strchr("\"\\$", *text))
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void print_addresses(const struct listener_config *listener, FILE *out) {
    putc('{', out);
    for (size_t i = 0; i < listener->n_address; i++) {
        fputs(i ? ", " : "", out);
        print_quoted(listener->address[i].text, out);
    }
    putc('}', out);
}

/* Of prefixes and IP addresses: they have nothing to escape. */
static void print_list(char *const *texts, size_t n, FILE *out) {
    putc('{', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s\"%s\"", i ? ", " : "", texts[i]);
    putc('}', out);
}

static void print_value(const struct config *config, const struct option_info *row,
                        const void *base, FILE *out) {
    const struct listener_config *listener = base;
    const struct server_config *server = base;
    const struct upstream_config *upstream = base;
    const struct prefix_list *prefixes;
    const void *member = (const char *)base + row->offset;
    char text[OPTIONS_TEXT_MAX];

    if (options_is_scalar(row))
        fputs(options_format(row, base, text, sizeof text), out);
    else if (row->type == OPTION_ADDRESSES)
        print_addresses(listener, out);
    else if (row->type == OPTION_ADDRESS)
        print_quoted(server->address_text, out);
    else if (row->type == OPTION_PREFIXES)
        prefixes = member, print_list(prefixes->texts, prefixes->n, out);
    else if (row->type == OPTION_SOURCES)
        print_list(upstream->source_address.texts, upstream->source_address.n, out);
    else if (row->type == OPTION_TEXT)
        print_quoted(*(char *const *)member, out);
    else
        fputs(config->upstreams[listener->upstream].name, out);
}

static void print_options(const struct config *config, enum option_section section,
                          const void *base, int indent, FILE *out) {
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != section)
            continue;
        fprintf(out, "%*s%s = ", indent, "", row->name);
        print_value(config, row, base, out);
        putc('\n', out);
    }
}

static void print_upstream(const struct config *config, const struct upstream_config *upstream,
                           FILE *out) {
    fprintf(out, "\nupstream %s {\n", upstream->name);
    print_options(config, SECTION_UPSTREAM, upstream, 4, out);
    for (size_t i = 0; i < upstream->n_servers; i++) {
        fprintf(out, "    server %s {\n", upstream->servers[i].name);
        print_options(config, SECTION_SERVER, &upstream->servers[i], 8, out);
        fputs("    }\n", out);
    }
    if (upstream->health_check.given) {
        fputs("    health_check {\n", out);
        print_options(config, SECTION_HEALTH_CHECK, &upstream->health_check, 8, out);
        fputs("    }\n", out);
    }
    fputs("}\n", out);
}

void config_dump(const struct config *config, FILE *out) {
    print_options(config, SECTION_GLOBAL, &config->global, 0, out);
    for (size_t i = 0; i < config->n_listeners; i++) {
        fprintf(out, "\nlistener %s {\n", config->listeners[i].name);
        print_options(config, SECTION_LISTENER, &config->listeners[i], 4, out);
        fputs("}\n", out);
    }
    for (size_t i = 0; i < config->n_upstreams; i++)
        print_upstream(config, &config->upstreams[i], out);
}
