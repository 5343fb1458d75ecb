#include "daemon/name_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "names/survey.h"

#define PATIENCE   (2 * USEC_PER_SEC) /* for all names together */
#define LINES_MOST 10                 /* of names that do not exist */
#define NAMED_MOST 3                  /* in the sentence about all that got no answer */

struct name_check {
    const struct config *config;
    config_warning_fn *on_warning;
    void *arg;
    struct survey_name *list;
    size_t n;
};

static bool is_name(const struct server_config *server) {
    return server->address.form == ADDR_NAME || server->address.form == ADDR_SRV;
}

/* False: no memory. */
static bool list_names(struct name_check *check) {
    size_t n = 0;

    for (size_t i = 0; i < check->config->n_upstreams; i++)
        n += check->config->upstreams[i].n_servers;
    check->list = calloc(n, sizeof(*check->list));
    for (size_t i = 0; i < check->config->n_upstreams && check->list != NULL; i++)
        for (size_t j = 0; j < check->config->upstreams[i].n_servers; j++) {
            const struct server_config *server = &check->config->upstreams[i].servers[j];

            if (is_name(server))
                check->list[check->n++] =
                    (struct survey_name){.spec = &server->address, .whose = server};
        }
    return check->list != NULL;
}

static void warn_of_absent(const struct name_check *check) {
    const struct server_config *next = NULL;
    size_t n = 0;

    for (size_t i = 0; i < check->n; i++) {
        const struct survey_name *name = &check->list[i];
        const struct server_config *server = name->whose;

        if (name->outcome != SURVEY_ABSENT)
            continue;
        if (++n <= LINES_MOST)
            config_warn_of(check->config, server->line, check->on_warning, check->arg,
                           "server %s: the name %s has no address: %s; connections to it fail "
                           "until it has one",
                           server->name, name->spec->name, name->why);
        else if (next == NULL)
            next = server;
    }
    if (next != NULL)
        config_warn_of(check->config, next->line, check->on_warning, check->arg,
                       "%zu more names of servers have no address", n - LINES_MOST);
}

/* DNS may be away, for many names at a time: that is one sentence. */
static void warn_of_unanswered(const struct name_check *check) {
    const struct survey_name *first = NULL;
    char names[NAMED_MOST * (ADDR_NAME_MAX + 2)] = "", more[32] = "";
    size_t n = 0;

    for (size_t i = 0; i < check->n; i++) {
        const struct survey_name *name = &check->list[i];

        if (name->outcome != SURVEY_NO_ANSWER && name->outcome != SURVEY_FAILED)
            continue;
        if (first == NULL)
            first = name;
        if (++n <= NAMED_MOST)
            text_append(names, sizeof(names), "%s%s", n > 1 ? ", " : "", name->spec->name);
    }
    if (first == NULL)
        return;
    if (n > NAMED_MOST)
        snprintf(more, sizeof(more), " and %zu more", n - NAMED_MOST);
    config_warn_of(check->config, ((const struct server_config *)first->whose)->line,
                   check->on_warning, check->arg,
                   "nobody could say within %d s whether %s%s %s: %s; relayd starts all the same, "
                   "and looks again",
                   (int)(PATIENCE / USEC_PER_SEC), names, more,
                   n > 1 ? "have addresses" : "has an address",
                   first->why != NULL ? first->why : "name servers did not answer");
}

void name_check(const struct config *config, config_warning_fn *on_warning, void *arg) {
    struct name_check check = {.config = config, .on_warning = on_warning, .arg = arg};

    if (list_names(&check) && check.n > 0) {
        survey_names(&dns_cares, check.list, check.n, clock_now() + PATIENCE);
        warn_of_absent(&check);
        warn_of_unanswered(&check);
    }
    free(check.list);
}
