#include "names/names.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "names/names_say.h"

struct names *names_new(void) {
    struct names *names = calloc(1, sizeof(*names));

    if (names != NULL)
        TAILQ_INIT(&names->list);
    return names;
}

/* There is news of a name. */
static void on_news(void *arg) {
    struct name *name = arg;

    if (name->pending)
        return;
    name->pending = true;
    TAILQ_INSERT_TAIL(name->names->pending, name, news);
}

bool names_add(struct names *names, const struct addr_spec *spec, struct name_owner owner,
               usec_t interval, const struct names_watcher *listener, void *arg) {
    struct name *name = calloc(1, sizeof(*name));

    if (name == NULL)
        return false;
    name->names = names;
    name->spec = *spec;
    name->owner[0] = (struct log_field){"RELAYD_UPSTREAM", owner.upstream};
    name->owner[1] = (struct log_field){"RELAYD_SERVER", owner.server};
    name->listener = listener;
    name->arg = arg;
    name->wish = (struct wish){.interval = interval, .news = on_news, .arg = name};
    TAILQ_INSERT_TAIL(&names->list, name, entry);
    return true;
}

void names_retire(struct names *names) {
    atomic_store(&names->retired, true);
}

void names_free(struct names *names) {
    struct name *name;

    if (names == NULL)
        return;
    while ((name = TAILQ_FIRST(&names->list)) != NULL) {
        TAILQ_REMOVE(&names->list, name, entry);
        endpoints_free(&name->last);
        free(name);
    }
    free(names);
}

/* The resolver's thread */

/* Without memory it has no endpoints until a reload, which find_endpoints reports. */
static void take_in(struct name *name, struct cache *cache) {
    if (name->spec.form == ADDR_SRV)
        name->service = service_get(cache, name->spec.name);
    else
        name->host = host_get(cache, name->spec.name);
    if (name->service != NULL)
        service_want(name->service, &name->wish);
    if (name->host != NULL)
        host_want(name->host, &name->wish);
    on_news(name); /* what is known already */
}

void names_take_in(struct names *names, struct cache *cache, struct name_list *pending) {
    struct name *name;

    names->pending = pending;
    TAILQ_FOREACH(name, &names->list, entry)
        take_in(name, cache);
}

void names_let_go(struct names *names) {
    struct name *name;

    TAILQ_FOREACH(name, &names->list, entry) {
        if (name->pending)
            TAILQ_REMOVE(names->pending, name, news);
        if (name->service != NULL)
            service_unwant(name->service, &name->wish);
        if (name->host != NULL)
            host_unwant(name->host, &name->wish);
    }
}

static bool is_settled(const struct name *name) {
    return name->host != NULL      ? host_is_settled(name->host)
           : name->service != NULL ? service_is_settled(name->service)
                                   : true;
}

/* What it stands for now. False: no memory. */
static bool find_endpoints(const struct name *name, struct endpoints *endpoints) {
    bool whole = name->host != NULL
                     ? host_add_endpoints(name->host, name->spec.port, 0, 1, endpoints)
                     : name->service != NULL && service_add_endpoints(name->service, endpoints);

    endpoints_settle(endpoints);
    if (name->service != NULL)
        endpoints->found += name->service->n_left_out;
    return whole;
}

/* DNS never takes the last address of a name away. */
static void tell_endpoints(struct name *name, struct endpoints *endpoints) {
    if (endpoints->n > 0 && !endpoints_equal(endpoints, &name->last)) {
        name->listener->answered(name->arg, endpoints);
        name->unsaid = name->settled;
        name->told = true;
        endpoints_free(&name->last);
        name->last = *endpoints;
        *endpoints = (struct endpoints){0};
    } else if (endpoints->n == 0 && name->last.n == 0 && !name->told && is_settled(name)) {
        name->listener->answered(name->arg, NULL);
        name->told = true;
    }
}

static void tell_name(struct name *name) {
    struct endpoints endpoints = {0};

    if (find_endpoints(name, &endpoints)) {
        name_say_cut(name, endpoints.found);
        tell_endpoints(name, &endpoints);
    } else {
        name_say_no_memory(name);
    }
    endpoints_free(&endpoints);
}

void names_tell(struct name_list *pending) {
    struct name *name;

    if (TAILQ_EMPTY(pending))
        return;
    TAILQ_FOREACH(name, pending, news) {
        name_say_trouble(name);
        tell_name(name);
    }
    TAILQ_FOREACH(name, pending, news)
        name->listener->settled(name->arg, !is_settled(name));
    while ((name = TAILQ_FIRST(pending)) != NULL) { /* the log speaks last, when all is done */
        TAILQ_REMOVE(pending, name, news);
        name->pending = false;
        name->settled = name->settled || is_settled(name);
        name_say_resolved(name);
    }
}
