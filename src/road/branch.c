#include "road/branch.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/routes.h"
#include "road/generation.h"

/* That of the section (NULL: the listener's own). NULL: it leads nowhere. */
static struct route *branch_of(struct route *trunk, const struct route_config *section) {
    struct route *route =
        section != NULL ? &trunk->branches[section - trunk->config->routes] : trunk;

    return route->upstream != NULL ? route : NULL;
}

static void take_route(struct job *job, struct route *route) {
    struct route *before = job->route;

    job->route = route_ref(route);
    route_unref(before);
    snprintf(job->record.upstream, sizeof(job->record.upstream), "%s",
             route->upstream->config->name);
}

/* Its bytes, which may be any: those that do not print become \xNN. */
static void note_protocol(const char *bytes, size_t n, char *text, size_t size) {
    size_t used = 0;

    for (size_t i = 0; i < n && used + strlen("\\x00") < size; i++)
        used += (size_t)snprintf(text + used, size - used,
                                 isgraph((unsigned char)bytes[i]) && bytes[i] != '\\' ? "%c"
                                                                                      : "\\x%02x",
                                 (unsigned char)bytes[i]);
}

static void note_hello(struct record *record, const struct client_hello *hello,
                       const struct route_config *section) {
    const char *first = (const char *)hello->protocols + 1;
    size_t n = hello->protocols_length > 0 ? hello->protocols[0] : 0;

    if (section != NULL && section->kind == ROUTE_ALPN) {
        first = route_protocol(section);
        n = strlen(first);
    }
    snprintf(record->sni, sizeof(record->sni), "%s", hello->name);
    note_protocol(first, n, record->alpn, sizeof(record->alpn));
}

void branch_note(struct job *job, const struct client_hello *hello) {
    note_hello(&job->record, hello, NULL);
}

enum end branch_choose(struct job *job, const struct client_hello *hello) {
    struct route *trunk = route_newest(job->route);
    const struct route_config *section = route_choose(trunk->config, hello);
    struct route *route = branch_of(trunk, section);

    if (hello != NULL)
        note_hello(&job->record, hello, section);
    if (route != NULL) {
        take_route(job, route);
        return END_NONE;
    }
    job->record.upstream[0] = '\0'; /* an older generation's */
    return hello != NULL ? END_UNKNOWN_NAME : END_CLIENT_HELLO;
}

/* What else the client offers is not known any more: it keeps to the protocol that it came by, or
 * goes by its name. */
bool branch_follow(struct job *job) {
    struct route *trunk = route_newest(job->route);
    const struct route_config *before = job->route->section, *section;

    if (trunk == job->route->trunk)
        return false;
    if (job->exchange != NULL) /* its request was routed by its own configuration */
        return false;
    bool by_protocol = before != NULL && before->kind == ROUTE_ALPN;
    section = by_protocol ? route_find(trunk->config, before->pattern)
                          : route_choose_name(trunk->config, job->record.sni);
    struct route *route = by_protocol && section == NULL ? NULL : branch_of(trunk, section);
    if (route != NULL)
        take_route(job, route);
    return route != NULL;
}
