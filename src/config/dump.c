#include "config/config.h"
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

struct dump {
    const struct config *config;
    bool changed; /* without the defaults */
    FILE *out;
};

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

static void print_addresses(const struct listen_address *list, size_t n, FILE *out) {
    putc('{', out);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", out);
        print_quoted(list[i].text, out);
    }
    putc('}', out);
}

static void print_list(char *const *texts, size_t n, FILE *out) {
    putc('{', out);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", out);
        print_quoted(texts[i], out);
    }
    putc('}', out);
}

/* How the value of an option of type TEXT was written; NULL: as it is. */
static const char *find_secret(const struct config *config, const char *value) {
    for (size_t i = 0; i < config->n_secrets; i++)
        if (config->secrets[i].value == value)
            return config->secrets[i].written;
    return NULL;
}

static void print_text(const struct config *config, const char *value, FILE *out) {
    const char *secret = find_secret(config, value);

    print_quoted(secret ? secret : value, out);
}

static void print_value(const struct config *config, const struct option_info *row,
                        const void *base, FILE *out) {
    const struct listener_config *listener = base;
    const struct server_config *server = base;
    const struct upstream_config *upstream = base;
    const struct prefix_list *prefixes;
    const struct text_list *texts;
    const void *member = (const char *)base + row->offset;
    char text[OPTIONS_TEXT_MAX];

    if (options_is_scalar(row))
        fputs(options_format(row, base, text, sizeof text), out);
    else if (row == &option_infos[OPT_status_address])
        print_addresses(config->status.address, config->status.n_address, out);
    else if (row->type == OPTION_ADDRESSES)
        print_addresses(listener->address, listener->n_address, out);
    else if (row->type == OPTION_ADDRESS)
        print_quoted(server->address_text, out);
    else if (row->type == OPTION_PREFIXES)
        prefixes = member, print_list(prefixes->texts, prefixes->n, out);
    else if (row->type == OPTION_SOURCES)
        print_list(upstream->source_address.texts, upstream->source_address.n, out);
    else if (row->type == OPTION_TEXTS)
        texts = member, print_list(texts->texts, texts->n, out);
    else if (row->type == OPTION_TEXT)
        print_text(config, *(char *const *)member, out);
    else
        fputs(config->upstreams[*(const size_t *)member].name, out);
}

/* Whether it would be the same if the file had nothing of it. */
static bool is_left_out(const struct config *config, const struct option_info *row,
                        const void *base) {
    const struct health_check_config *check = base;
    const void *member = (const char *)base + row->offset;

    if (row->type == OPTION_UPSTREAM)
        return *(const size_t *)member == NO_UPSTREAM;
    if (row->type == OPTION_PREFIXES)
        return ((const struct prefix_list *)member)->n == 0;
    if (row->type == OPTION_SOURCES)
        return ((const struct source_list *)member)->n == 0;
    if (row->type == OPTION_TEXTS)
        return ((const struct text_list *)member)->n == 0;
    if (row == &option_infos[OPT_health_check_expect] && check->type == CHECK_TALK)
        return false; /* it must be given */
    if (row->type == OPTION_TEXT && find_secret(config, *(char *const *)member))
        return false; /* another time it may be another */
    return row->default_text != NULL && options_is_default(row, base);
}

/* How many there were. */
static size_t print_options(const struct dump *dump, enum option_section section, const void *base,
                            int indent) {
    size_t n = 0;

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != section || ((dump->changed || row->type == OPTION_UPSTREAM) &&
                                        is_left_out(dump->config, row, base)))
            continue;
        fprintf(dump->out, "%*s%s = ", indent, "", row->name);
        print_value(dump->config, row, base, dump->out);
        putc('\n', dump->out);
        n++;
    }
    return n;
}

static bool same_lists(const struct text_list *a, const struct text_list *b) {
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = strcmp(a->texts[i], b->texts[i]) == 0;
    return same;
}

/* Whether a route would have it from its listener if the file had nothing of it. */
static bool is_inherited(const struct config *config, const struct option_info *row,
                         const struct listener_config *listener, const struct route_config *route) {
    const struct option_info *from = options_find(SECTION_LISTENER, row->name);
    char a[OPTIONS_TEXT_MAX], b[OPTIONS_TEXT_MAX];

    if (row->type == OPTION_UPSTREAM || from == NULL)
        return is_left_out(config, row, route);
    const void *own = (const char *)route + row->offset,
               *other = (const char *)listener + from->offset;
    if (row->type == OPTION_TEXTS)
        return same_lists(own, other);
    if (row->type == OPTION_TEXT)
        return strcmp(*(char *const *)own, *(char *const *)other) == 0;
    return strcmp(options_format(row, route, a, sizeof(a)),
                  options_format(from, listener, b, sizeof(b))) == 0;
}

/* In mode tcp, it has an upstream alone. */
static void print_route(const struct dump *dump, const struct listener_config *listener,
                        const struct route_config *route) {
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_info *row = &option_infos[i];

        if (row->section != SECTION_ROUTE ||
            (row->type != OPTION_UPSTREAM && route->kind != ROUTE_HTTP) ||
            ((dump->changed || row->type == OPTION_UPSTREAM) &&
             is_inherited(dump->config, row, listener, route)))
            continue;
        fprintf(dump->out, "%*s%s = ", 8, "", row->name);
        print_value(dump->config, row, route, dump->out);
        putc('\n', dump->out);
    }
}

static void print_listener(const struct dump *dump, const struct listener_config *listener) {
    fprintf(dump->out, "listener %s {\n", listener->name);
    print_options(dump, SECTION_LISTENER, listener, 4);
    if (listener->tls.given) {
        fputs("    tls {\n", dump->out);
        print_options(dump, SECTION_LISTENER_TLS, &listener->tls, 8);
        fputs("    }\n", dump->out);
    }
    for (size_t i = 0; i < listener->n_routes; i++) {
        fputs("    route ", dump->out);
        print_quoted(listener->routes[i].pattern, dump->out);
        fputs(" {\n", dump->out);
        print_route(dump, listener, &listener->routes[i]);
        fputs("    }\n", dump->out);
    }
    fputs("}\n", dump->out);
}

static void print_upstream(const struct dump *dump, const struct upstream_config *upstream) {
    fprintf(dump->out, "\nupstream %s {\n", upstream->name);
    print_options(dump, SECTION_UPSTREAM, upstream, 4);
    for (size_t i = 0; i < upstream->n_servers; i++) {
        fprintf(dump->out, "    server %s {\n", upstream->servers[i].name);
        print_options(dump, SECTION_SERVER, &upstream->servers[i], 8);
        fputs("    }\n", dump->out);
    }
    if (upstream->health_check.given) {
        fputs("    health_check {\n", dump->out);
        print_options(dump, SECTION_HEALTH_CHECK, &upstream->health_check, 8);
        fputs("    }\n", dump->out);
    }
    if (upstream->tls.given) {
        fputs("    tls {\n", dump->out);
        print_options(dump, SECTION_UPSTREAM_TLS, &upstream->tls, 8);
        fputs("    }\n", dump->out);
    }
    fputs("}\n", dump->out);
}

void config_dump(const struct config *config, bool changed, FILE *out) {
    const struct dump dump = {config, changed, out};
    const char *before = print_options(&dump, SECTION_GLOBAL, &config->global, 0) > 0 ? "\n" : "";

    if (config->status.given) {
        fprintf(out, "%sstatus {\n", before);
        print_options(&dump, SECTION_STATUS, &config->status, 4);
        fputs("}\n", out);
        before = "\n";
    }
    for (size_t i = 0; i < config->n_listeners; i++) {
        fputs(i > 0 ? "\n" : before, out);
        print_listener(&dump, &config->listeners[i]);
    }
    for (size_t i = 0; i < config->n_upstreams; i++)
        print_upstream(&dump, &config->upstreams[i]);
}

void config_take_fingerprint(struct config *config) {
    char *text = NULL;
    size_t n = 0;
    FILE *memory = open_memstream(&text, &n);

    if (memory == NULL)
        return;
    config_dump(config, false, memory);
    if (fclose(memory) == 0)
        config->fingerprint = crc32c(0, text, n);
    free(text);
}
