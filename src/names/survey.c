#include "names/survey.h"

#include "names/cache_walk.h"
#include "names/service.h"

struct survey {
    struct cache cache;
    size_t left; /* names without an outcome */
};

static bool has_addresses(const struct host *host) {
    return host->family[FAMILY_IPV4].n + host->family[FAMILY_IPV6].n > 0;
}

static enum survey_outcome judge_host(const struct host *host) {
    if (has_addresses(host))
        return SURVEY_FOUND;
    if (!host_is_settled(host))
        return SURVEY_NO_ANSWER;
    return host_is_absent(host) ? SURVEY_ABSENT : SURVEY_FAILED;
}

/* One target with an address is enough. */
static enum survey_outcome judge_service(const struct service *service) {
    enum survey_outcome worst = SURVEY_ABSENT;

    for (size_t i = 0; i < service->n_targets; i++)
        if (has_addresses(service->targets[i].host))
            return SURVEY_FOUND;
        else if (!host_is_absent(service->targets[i].host))
            worst = SURVEY_FAILED;
    if (!service_is_settled(service))
        return SURVEY_NO_ANSWER;
    return service->state == FAMILY_FAILED ? SURVEY_FAILED : worst;
}

/* A wish's news. */
static void note_survey_outcome(void *arg) {
    struct survey_name *name = arg;

    if (name->outcome != SURVEY_NO_ANSWER)
        return;
    name->outcome = name->host != NULL ? judge_host(name->host) : judge_service(name->service);
    if (name->outcome == SURVEY_NO_ANSWER)
        return;
    if (name->outcome != SURVEY_FOUND)
        name->why = name->host != NULL ? host_why(name->host) : service_why(name->service);
    name->survey->left--;
}

/* Without memory it stays without an answer. */
static void begin_survey_of(struct survey *survey, struct survey_name *name) {
    name->outcome = SURVEY_NO_ANSWER;
    name->why = NULL;
    name->survey = survey;
    name->wish = (struct wish){.interval = USEC_NEVER, .news = note_survey_outcome, .arg = name};
    name->host = name->spec->form == ADDR_NAME ? host_get(&survey->cache, name->spec->name) : NULL;
    name->service =
        name->spec->form == ADDR_SRV ? service_get(&survey->cache, name->spec->name) : NULL;
    if (name->host == NULL && name->service == NULL)
        return;
    if (!LIST_EMPTY(name->host != NULL ? &name->host->wishes : &name->service->wishes)) {
        name->outcome = SURVEY_REPEATS;
        return;
    }
    survey->left++;
    if (name->host != NULL)
        host_want(name->host, &name->wish);
    else
        service_want(name->service, &name->wish);
}

static void end_survey_of(struct survey_name *name) {
    if (name->outcome == SURVEY_REPEATS)
        return;
    if (name->service != NULL)
        service_unwant(name->service, &name->wish);
    if (name->host != NULL)
        host_unwant(name->host, &name->wish);
}

void survey_names(const struct dns_ops *ops, struct survey_name *list, size_t n, usec_t deadline) {
    struct survey survey = {.left = 0};

    cache_init(&survey.cache, ops);
    survey.cache.dns = ops->new ();
    for (size_t i = 0; i < n; i++)
        begin_survey_of(&survey, &list[i]);
    while (survey.cache.dns != NULL && survey.left > 0 && clock_now() < deadline) {
        usec_t next = cache_go_on(&survey.cache);

        if (survey.left > 0)
            ops->wait(survey.cache.dns, next < deadline ? next : deadline);
    }
    survey.cache.stopping = true;
    for (size_t i = 0; i < n; i++)
        end_survey_of(&list[i]);
    ops->free(survey.cache.dns);
    cache_free(&survey.cache);
}
