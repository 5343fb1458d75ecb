#include "names/service.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/order.h"
#include "base/stats.h"

static void service_tell(void *arg) {
    struct service *service = arg;
    struct wish *wish;

    LIST_FOREACH(wish, &service->wishes, entry)
        wish->news(wish->arg);
}

/* Targets */

static void free_targets(struct service_target *targets, size_t n) {
    for (size_t i = 0; i < n; i++)
        host_unwant(targets[i].host, &targets[i].wish);
    free(targets);
}

/* "." is no target: the service is not available there. */
static bool has_target(const struct dns_record *record) {
    return record->target[0] != '\0' && record->port != 0;
}

static int compare_records(const void *a, const void *b) {
    const struct dns_record *x = a, *y = b;
    int order = compare_numbers(x->priority, y->priority);

    if (order == 0)
        order = strcasecmp(x->target, y->target);
    if (order == 0)
        order = compare_numbers(x->port, y->port);
    return order != 0 ? order : compare_numbers(x->weight, y->weight);
}

static bool same_targets(const struct service *service, const struct dns_record *records,
                         size_t n) {
    if (n != service->n_targets)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct service_target *target = &service->targets[i];

        if (target->priority != records[i].priority || target->port != records[i].port ||
            target->weight != records[i].weight ||
            strncasecmp(target->host->name, records[i].target, strlen(records[i].target)) != 0 ||
            strcmp(target->host->name + strlen(records[i].target), ".") != 0)
            return false;
    }
    return true;
}

/* The target of a record is a full name (RFC 2782); ended by ".", it gets no domain of
 * /etc/resolv.conf. */
static struct host *target_host(struct cache *cache, const struct dns_record *record) {
    char name[ADDR_NAME_MAX + 1];

    snprintf(name, sizeof(name), "%s.", record->target);
    return host_get(cache, name);
}

/* Replaces the targets. False: no memory, and nothing has changed. */
static bool replace_targets(struct service *service, const struct dns_record *records, size_t n) {
    struct service_target *targets = calloc(n, sizeof(*targets)), *old = service->targets;
    size_t n_old = service->n_targets;

    if (targets == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        targets[i] = (struct service_target){.host = target_host(service->cache, &records[i]),
                                             .wish = {.interval = service->interval,
                                                      .news = service_tell,
                                                      .arg = service,
                                                      .of_service = true},
                                             .port = records[i].port,
                                             .priority = records[i].priority,
                                             .weight = records[i].weight};
        if (targets[i].host == NULL) {
            free_targets(targets, i);
            return false;
        }
        host_join(targets[i].host, &targets[i].wish);
    }
    service->targets = targets;
    service->n_targets = n;
    free_targets(old, n_old);
    return true;
}

/* The *ret_n targets of the answer, sorted, without doubles. NULL and why: none, or no memory. */
static struct dns_record *sort_records(const struct dns_answer *answer, size_t *ret_n,
                                       const char **ret_why) {
    struct dns_record *records = calloc(answer->n, sizeof(*records));
    size_t n = 0, kept = 0;

    *ret_why =
        records == NULL ? "no memory" : "its SRV record says that the service is not available";
    for (size_t i = 0; i < answer->n && records != NULL; i++)
        if (has_target(&answer->list[i]))
            records[n++] = answer->list[i];
    if (n == 0) {
        free(records);
        return NULL;
    }
    qsort(records, n, sizeof(*records), compare_records);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_records(&records[i], &records[kept - 1]) != 0)
            records[kept++] = records[i];
    *ret_n = kept;
    return records;
}

/* Lookups */

static void conclude_service(struct service *service, enum family_state state, const char *why,
                             usec_t pause) {
    bool changed = service->state != state;

    service->state = state;
    service->why = why;
    if (state == FAMILY_FOUND) {
        service->retry = RETRY_FIRST;
    } else {
        stats_add(STAT_resolve_failures, 1);
        pause = service->retry;
        service->retry =
            service->retry < service->interval ? service->retry * 2 : service->interval;
    }
    service->due = clock_now() + (pause < service->interval ? pause : service->interval);
    cache_expect(service->cache, service->due);
    if (changed || service->say_again)
        service_tell(service);
}

static void take_found(struct service *service, const struct dns_answer *answer) {
    const char *why;
    size_t n = 0;
    struct dns_record *records = sort_records(answer, &n, &why);
    service->n_left_out = n > ENDPOINTS_MOST ? n - ENDPOINTS_MOST : 0;
    n -= service->n_left_out;
    bool same = records != NULL && same_targets(service, records, n);

    if (records == NULL) {
        conclude_service(service, FAMILY_NONE, why, 0);
    } else if (!same && !replace_targets(service, records, n)) {
        conclude_service(service, FAMILY_FAILED, "no memory", 0);
    } else {
        conclude_service(service, FAMILY_FOUND, NULL,
                         answer->ttl > TTL_LEAST ? answer->ttl : TTL_LEAST);
        if (!same)
            service_tell(service);
    }
    free(records);
}

static void on_service_answer(void *arg, const struct dns_answer *answer) {
    struct service *service = arg;

    service->asked = false;
    if (service->cache->stopping)
        return;
    if (answer->outcome == DNS_FOUND)
        take_found(service, answer);
    else
        conclude_service(service, answer->outcome == DNS_NONE ? FAMILY_NONE : FAMILY_FAILED,
                         answer->why, 0);
}

/* Services */

static int compare_service_names(const void *a, const void *b) {
    return strcasecmp(a, b); /* a service begins with its name */
}

struct service *service_get(struct cache *cache, const char *name) {
    struct service **at = tfind(name, &cache->service_tree, compare_service_names);
    struct service *service = at != NULL ? *at : calloc(1, sizeof(*service));

    if (at != NULL || service == NULL)
        return service;
    *service = (struct service){
        .cache = cache, .retry = RETRY_FIRST, .interval = USEC_NEVER, .said = FAMILY_FOUND};
    snprintf(service->name, sizeof(service->name), "%s", name);
    LIST_INIT(&service->wishes);
    if (tsearch(service, &cache->service_tree, compare_service_names) == NULL) {
        free(service);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&cache->services, service, entry);
    return service;
}

/* Hands its interval to its targets. now: they are looked up, too. */
static void set_interval(struct service *service, bool now) {
    usec_t before = service->interval;

    service->interval = wish_interval(&service->wishes);
    if (service->interval == before && !now)
        return;
    for (size_t i = 0; i < service->n_targets; i++) {
        struct service_target *target = &service->targets[i];

        host_unwant(target->host, &target->wish);
        target->wish.interval = service->interval;
        (now ? host_want : host_join)(target->host, &target->wish);
    }
}

void service_want(struct service *service, struct wish *wish) {
    LIST_INSERT_HEAD(&service->wishes, wish, entry);
    service->due = 0;
    cache_expect(service->cache, 0);
    service->retry = RETRY_FIRST;
    service->say_again = service->said != FAMILY_FOUND;
    set_interval(service, true);
}

void service_unwant(struct service *service, struct wish *wish) {
    LIST_REMOVE(wish, entry);
    set_interval(service, false);
    cache_expect(service->cache, 0); /* it may have to be freed */
}

void service_free(struct service *service) {
    struct cache *cache = service->cache;

    (void)tdelete(service->name, &cache->service_tree, compare_service_names);
    TAILQ_REMOVE(&cache->services, service, entry);
    free_targets(service->targets, service->n_targets);
    free(service);
}

usec_t service_go_on(struct service *service, usec_t now) {
    if (service->asked)
        return USEC_NEVER;
    if (LIST_EMPTY(&service->wishes)) {
        service_free(service);
        return USEC_NEVER;
    }
    if (service->due <= now) {
        service->asked = true;
        service->cache->ops->lookup(service->cache->dns, service->name, DNS_SRV, on_service_answer,
                                    service);
    }
    return service->asked ? USEC_NEVER : service->due;
}

/* What is known */

bool service_is_settled(const struct service *service) {
    if (service->state == FAMILY_UNKNOWN)
        return false;
    for (size_t i = 0; i < service->n_targets; i++)
        if (!host_is_settled(service->targets[i].host))
            return false;
    return true;
}

const char *service_why(const struct service *service) {
    if (service->state != FAMILY_FOUND || service->n_targets == 0)
        return service->why;
    return host_why(service->targets[0].host);
}

bool service_add_endpoints(const struct service *service, struct endpoints *endpoints) {
    for (size_t i = 0; i < service->n_targets; i++) {
        const struct service_target *target = &service->targets[i];

        if (!host_is_absent(target->host) &&
            !host_add_endpoints(target->host, target->port, target->priority, target->weight,
                                endpoints))
            return false;
    }
    return true;
}
