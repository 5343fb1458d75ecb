/* The tls sections: what must hold between options, and what their files hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_name.h"
#include "config/build.h"
#include "config/credential.h"
#include "config/routes.h"
#include "tls/client.h"
#include "tls/server.h"

#define FILES_MOST 4096 /* paths in a list; a folder has any number */
#define NAMES_MAX  1400 /* bytes of names of certificates: five of 253 (RFC 1035, 2.3.4) */

struct validation {
    const struct tree *tree;
    size_t section; /* tls */
    struct config *config;
    struct listener_config *listener; /* one of these two */
    struct upstream_config *upstream;
    struct problems *problems;
};

static const struct tree_section *section_of(const struct validation *validation) {
    return &validation->tree->sections[validation->section];
}

/* Where an option is written: a value of its list, or its last. NULL: it is not. */
static const struct tree_value *find_written(const struct validation *validation,
                                             const char *option, size_t value) {
    const struct tree_section *at = section_of(validation);
    const struct tree_value *found = NULL;

    for (size_t i = 0, nth = 0; option != NULL && i < at->n_values; i++)
        if (strcmp(at->values[i].row->name, option) == 0 &&
            (value == TLS_ONLY_VALUE || nth++ == value))
            found = &at->values[i];
    return found;
}

/* Takes what: after those of lines before. */
static void add_note(const struct validation *validation, int line, bool asked, char *what) {
    struct config *config = validation->config;
    struct config_note *bigger = reallocarray(config->notes, config->n_notes + 1, sizeof(*bigger));

    if (bigger == NULL) {
        free(what);
        validation->problems->out_of_memory = true;
        return;
    }
    config->notes = bigger;
    size_t at = config->n_notes++;
    for (; at > 0 && bigger[at - 1].line > line; at--)
        bigger[at] = bigger[at - 1];
    bigger[at] = (struct config_note){line, asked, what};
}

/* What is wrong is an error, what is doubtful a note for the warnings. */
static void on_tls_problem(void *arg, enum tls_weight weight, const char *option, size_t value,
                           const char *what) {
    const struct validation *validation = arg;
    const struct tree_value *written = find_written(validation, option, value);
    int line = written != NULL ? written->line : section_of(validation)->line;
    char where[TREE_WHERE_MAX], *sentence;

    tree_where(validation->tree, validation->section, where);
    if (asprintf(&sentence, "%s%s%s%s", where, option != NULL ? option : "",
                 option != NULL ? ": " : "", what) < 0) {
        validation->problems->out_of_memory = true;
    } else if (weight == TLS_WRONG) {
        problems_add(validation->problems, line, "%s", sentence);
        free(sentence);
    } else {
        add_note(validation, line, weight == TLS_ASKED, sentence);
    }
}

static void note_meaning(const struct validation *validation, enum option_id option,
                         const char *what) {
    char where[TREE_WHERE_MAX];
    const struct tree_value *value = tree_value(section_of(validation), option);

    problems_add(validation->problems, value != NULL ? value->line : section_of(validation)->line,
                 "%s%s", tree_where(validation->tree, validation->section, where), what);
}

/* False: told. */
static bool check_between(const struct validation *validation) {
    const struct listener_tls_config *tls = &validation->listener->tls;
    size_t before = validation->problems->n;

    if (tls->verify_client != TLS_VERIFY_OFF && tls->ca[0] == '\0')
        note_meaning(
            validation, OPT_listener_tls_verify_client,
            "verify_client needs ca: a file with the authorities that sign certificates of "
            "clients");
    if (tls->verify_client == TLS_VERIFY_OFF && tls->ca[0] != '\0')
        note_meaning(validation, OPT_listener_tls_ca,
                     "ca has no meaning without verify_client = optional or required");
    if (tls->verify_client == TLS_VERIFY_OFF && tls->crl[0] != '\0')
        note_meaning(validation, OPT_listener_tls_crl,
                     "crl has no meaning without verify_client = optional or required");
    if (!tls->tickets && tls->ticket_keys[0] != '\0')
        note_meaning(validation, OPT_listener_tls_ticket_keys,
                     "ticket_keys has no meaning with tickets = false");
    if (tls->key[0] != '\0' && tls->certificate.n > 1)
        note_meaning(validation, OPT_listener_tls_key,
                     "key goes with one certificate; of several, each has its key in its file or "
                     "beside it");
    if (tls->certificate.n > FILES_MOST)
        note_meaning(validation, OPT_listener_tls_certificate,
                     "certificate must have at most 4096 paths; name a folder");
    return validation->problems->n == before;
}

/* The path that a value stands for. NULL: told. */
static char *resolve(struct validation *validation, const char *option, size_t nth,
                     const char *value) {
    const char *credential = credential_name(value), *why;
    char *path = NULL;

    if (credential == NULL) {
        path = strdup(value);
        validation->problems->out_of_memory |= path == NULL;
    } else if ((why = credential_path(credential, &path)) == CREDENTIAL_NO_MEMORY) {
        validation->problems->out_of_memory = true;
        path = NULL;
    } else if (why != NULL) {
        on_tls_problem(validation, TLS_WRONG, option, nth, why);
        path = NULL;
    }
    return path;
}

/* Its paths, resolved, for as long as the settings are used. */
struct paths {
    char **certificates;
    char *key, *ca, *crl, *ticket_keys;
    size_t n;
};

/* build.c has told of others. */
static bool have_sound_paths(const struct validation *validation) {
    const struct tree_section *at = section_of(validation);
    bool certificate = at->kind == SECTION_UPSTREAM_TLS;

    for (size_t i = 0; i < at->n_values; i++) {
        const struct tree_value *value = &at->values[i];

        certificate |= value->row == &option_infos[OPT_listener_tls_certificate];
        if (value->text[0] != '\0' && config_check_item(value->row, value->text) != NULL)
            return false;
    }
    return certificate;
}

/* False: told. */
static bool resolve_paths(struct validation *validation, struct paths *paths) {
    const struct listener_tls_config *tls = &validation->listener->tls;

    paths->certificates = calloc(tls->certificate.n + 1, sizeof(char *));
    if (paths->certificates == NULL) {
        validation->problems->out_of_memory = true;
        return false;
    }
    for (; paths->n < tls->certificate.n; paths->n++) {
        char *path = resolve(validation, "certificate", paths->n, tls->certificate.texts[paths->n]);

        if (path == NULL)
            return false;
        paths->certificates[paths->n] = path;
    }
    paths->key = resolve(validation, "key", TLS_ONLY_VALUE, tls->key);
    paths->ca = resolve(validation, "ca", TLS_ONLY_VALUE, tls->ca);
    paths->crl = resolve(validation, "crl", TLS_ONLY_VALUE, tls->crl);
    paths->ticket_keys = resolve(validation, "ticket_keys", TLS_ONLY_VALUE, tls->ticket_keys);
    return paths->key != NULL && paths->ca != NULL && paths->crl != NULL &&
           paths->ticket_keys != NULL;
}

static void free_paths(struct paths *paths) {
    for (size_t i = 0; i < paths->n; i++)
        free(paths->certificates[i]);
    free(paths->certificates);
    free(paths->key);
    free(paths->ca);
    free(paths->crl);
    free(paths->ticket_keys);
}

static void read_server(struct validation *validation) {
    struct listener_tls_config *tls = &validation->listener->tls;
    struct paths paths = {0};

    if (resolve_paths(validation, &paths)) {
        const struct tls_server_settings settings = {
            .listener = validation->listener->name,
            .certificates = (const char *const *)paths.certificates,
            .n_certificates = paths.n,
            .key = paths.key,
            .min_version = tls->min_version,
            .ciphers = tls->ciphers,
            .groups = tls->groups,
            .alpn = (const char *const *)tls->alpn.texts,
            .n_alpn = tls->alpn.n,
            .verify_client = tls->verify_client,
            .ca = paths.ca,
            .crl = paths.crl,
            .tickets = tls->tickets,
            .ticket_keys = paths.ticket_keys,
        };

        tls->server = tls_server_new(&settings, on_tls_problem, validation);
    }
    free_paths(&paths);
}

/* The name that its clients ask for in TLS. False: any, or none that is a name. */
static bool asked_by_tls(const struct route_config *route, char name[ROUTE_PATTERN_SIZE]) {
    if (route->kind == ROUTE_SNI)
        snprintf(name, ROUTE_PATTERN_SIZE, "%s", route_name(route));
    else
        route_host(route, name);
    return route->pattern[0] != '\0' && route->kind != ROUTE_ALPN && name[0] != '\0' &&
           name[0] != '[' && !host_name_is_ip(name);
}

static bool is_spoken(const struct listener_tls_config *tls, const char *protocol) {
    for (size_t i = 0; i < tls->alpn.n; i++)
        if (strcmp(tls->alpn.texts[i], protocol) == 0)
            return true;
    return tls->alpn.n == 0; /* clients come by what they offer */
}

/* Routes that no client takes, since it never agrees on their protocol. */
static void note_unspoken(const struct validation *validation) {
    const struct listener_config *listener = validation->listener;
    char *what;

    for (size_t i = 0; listener->mode != MODE_HTTP && i < listener->n_routes; i++) {
        const struct route_config *route = &listener->routes[i];

        if (route->kind != ROUTE_ALPN || route->pattern[0] == '\0' ||
            is_spoken(&listener->tls, route_protocol(route)))
            continue;
        if (asprintf(&what,
                     "listener %s: route \"%s\": no client takes it, since TLS ends here and "
                     "agrees on other protocols alone; add %s to alpn in the listener's tls",
                     listener->name, route->pattern, route_protocol(route)) < 0)
            validation->problems->out_of_memory = true;
        else
            add_note(validation, route->line, false, what);
    }
}

/* Names that clients ask for, and that no certificate has: those who verify refuse it. */
static void note_uncovered(const struct validation *validation) {
    const struct listener_config *listener = validation->listener;
    struct tls_server *server = listener->tls.server;
    char names[NAMES_MAX], name[ROUTE_PATTERN_SIZE], *what;

    for (size_t i = 0; server != NULL && i < listener->n_routes; i++) {
        const struct route_config *route = &listener->routes[i];

        if (!asked_by_tls(route, name) || tls_server_covers(server, name))
            continue;
        if (asprintf(&what,
                     "listener %s: route \"%s\": name not covered: the listener's certificates are "
                     "for %s, so clients that ask for %s%s refuse what they get; add a certificate "
                     "for it",
                     listener->name, route->pattern,
                     tls_server_say_names(server, names, sizeof(names)),
                     name[0] == '*' ? "one of " : "", name) < 0)
            validation->problems->out_of_memory = true;
        else
            add_note(validation, route->line, false, what);
    }
}

void config_validate_tls(const struct tree *tree, size_t section, struct config *config,
                         struct listener_config *listener, struct problems *problems) {
    struct validation validation = {
        tree, tree_inside(tree, section, SECTION_LISTENER_TLS), config, listener, NULL, problems};

    if (validation.section < tree->n && check_between(&validation) && have_sound_paths(&validation))
        read_server(&validation);
    if (validation.section < tree->n) {
        note_uncovered(&validation);
        note_unspoken(&validation);
    }
}

static bool check_client_options(const struct validation *validation) {
    const struct upstream_tls_config *tls = &validation->upstream->tls;
    size_t before = validation->problems->n;

    if (!tls->verify && tls->ca[0] != '\0')
        note_meaning(validation, OPT_upstream_tls_ca,
                     "ca has no meaning with verify = false: nothing is verified");
    if (tls->key[0] != '\0' && tls->certificate[0] == '\0')
        note_meaning(validation, OPT_upstream_tls_key, "key has no meaning without certificate");
    for (size_t i = 0; i < validation->upstream->n_servers; i++)
        if (tls->verify && tls->name[0] == '\0' &&
            addr_is_unix(&validation->upstream->servers[i].address.addr)) {
            note_meaning(validation, OPT_upstream_tls_verify,
                         "name must be given, since a unix socket has no host whose name could be "
                         "verified");
            break;
        }
    return validation->problems->n == before;
}

static void read_client(struct validation *validation) {
    struct upstream_tls_config *tls = &validation->upstream->tls;
    char *ca = resolve(validation, "ca", TLS_ONLY_VALUE, tls->ca);
    char *certificate = resolve(validation, "certificate", TLS_ONLY_VALUE, tls->certificate);
    char *key = resolve(validation, "key", TLS_ONLY_VALUE, tls->key);

    if (ca != NULL && certificate != NULL && key != NULL) {
        const struct tls_client_settings settings = {
            .verify = tls->verify,
            .ca = ca,
            .name = tls->name,
            .alpn = (const char *const *)tls->alpn.texts,
            .n_alpn = tls->alpn.n,
            .certificate = certificate,
            .key = key,
        };

        tls->client = tls_client_new(&settings, on_tls_problem, validation);
    }
    free(ca);
    free(certificate);
    free(key);
    if (!tls->verify)
        on_tls_problem(
            validation, TLS_DOUBTFUL, "verify", TLS_ONLY_VALUE,
            "the certificates of servers are not verified, so whoever stands between can "
            "read and change all; name their authority as ca instead");
}

/* The zone of a link-local address is this machine's alone (RFC 4007, 6): no certificate has it. */
static const char *host_of_address(const struct addr *addr, char *buf, size_t size) {
    if (addr_is_unix(addr))
        return "";
    addr_format_host(addr, buf, size);
    buf[strcspn(buf, "%")] = '\0';
    return buf;
}

/* A service (SRV) stands for its domain (RFC 6125, 6.2.1): what is behind _service._proto. */
static const char *host_of_server(const struct addr_spec *spec, char *buf, size_t size) {
    const char *name = spec->name;

    if (spec->form == ADDR_LITERAL)
        return host_of_address(&spec->addr, buf, size);
    while (spec->form == ADDR_SRV && name[0] == '_' && strchr(name, '.') != NULL)
        name = strchr(name, '.') + 1;
    return name;
}

static void note_hosts(struct upstream_config *upstream) {
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < upstream->n_servers; i++) {
        struct server_config *server = &upstream->servers[i];

        snprintf(server->host, sizeof(server->host), "%s",
                 host_of_server(&server->address, text, sizeof(text)));
    }
}

void config_validate_upstream_tls(const struct tree *tree, size_t section, struct config *config,
                                  struct upstream_config *upstream, struct problems *problems) {
    struct validation validation = {
        tree, tree_inside(tree, section, SECTION_UPSTREAM_TLS), config, NULL, upstream, problems};

    if (validation.section < tree->n && check_client_options(&validation) &&
        have_sound_paths(&validation)) {
        note_hosts(upstream);
        read_client(&validation);
    }
}
