#include "control/filter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "record/ends.h"

static bool is_end_code(const char *text) {
    for (int end = END_NONE + 1; end < END_COUNT; end++)
        if (strcasecmp(end_infos[end].code, text) == 0)
            return true;
    return false;
}

/* False: ret_why is a sentence. */
static bool read_numbers(struct filter *filter,
                         const char *(*argument)(void *arg, const char *name), void *arg,
                         char ret_why[FILTER_WHY_MAX]) {
    const char *id = argument(arg, "id"), *age = argument(arg, "age"),
               *rate = argument(arg, "rate");

    filter->id = -1;
    if (id != NULL && !text_parse_number(id, &filter->id))
        snprintf(ret_why, FILTER_WHY_MAX, "id=%.32s: must be a connection's number", id);
    else if (age != NULL && !text_parse_duration(age, &filter->age))
        snprintf(ret_why, FILTER_WHY_MAX, "age=%.32s: must be a time, as 90s or 10m", age);
    else if (rate != NULL && !text_parse_size(rate, &filter->rate))
        snprintf(ret_why, FILTER_WHY_MAX, "rate=%.32s: must be bytes a second, as 64k or 1M", rate);
    else
        return true;
    return false;
}

bool filter_read(struct filter *ret_filter, const char *(*argument)(void *arg, const char *name),
                 void *arg, char ret_why[FILTER_WHY_MAX]) {
    const char *listener = argument(arg, "listener"), *server = argument(arg, "server"),
               *client = argument(arg, "client"), *end = argument(arg, "end"),
               *failed = argument(arg, "failed"), *bearer = argument(arg, "tls_client"),
               *why = NULL;
    struct filter filter = {0};

    snprintf(filter.listener, sizeof(filter.listener), "%s", listener != NULL ? listener : "");
    snprintf(filter.server, sizeof(filter.server), "%s", server != NULL ? server : "");
    snprintf(filter.tls_client, sizeof(filter.tls_client), "%s", bearer != NULL ? bearer : "");
    if (end != NULL && !is_end_code(end)) {
        snprintf(ret_why, FILTER_WHY_MAX,
                 "end=%.16s: there is no such end code; relayd(8) lists them, as LC", end);
        return false;
    }
    snprintf(filter.end, sizeof(filter.end), "%s", end != NULL ? end : "");
    if (failed != NULL && strcmp(failed, "yes") != 0 && strcmp(failed, "no") != 0) {
        snprintf(ret_why, FILTER_WHY_MAX, "failed=%.16s: must be yes or no", failed);
        return false;
    }
    filter.failed = failed != NULL && strcmp(failed, "yes") == 0;
    if (!read_numbers(&filter, argument, arg, ret_why))
        return false;
    filter.by_client = client != NULL;
    if (filter.by_client && !prefix_parse(client, &filter.client, &why)) {
        snprintf(ret_why, FILTER_WHY_MAX,
                 "client=%.64s: must be an address or a prefix, as 192.0.2.0/24: %s", client, why);
        return false;
    }
    *ret_filter = filter;
    return true;
}

static bool is_server(const char *upstream, const char *server, const char *wanted) {
    char name[2 * CONFIG_NAME_MAX];

    snprintf(name, sizeof(name), "%s/%s", upstream, server);
    return strcmp(server, wanted) == 0 || strcmp(name, wanted) == 0;
}

bool filter_takes(const struct filter *filter, const char *listener, const char *upstream,
                  const char *server, const struct addr *client) {
    return (filter->listener[0] == '\0' || strcmp(listener, filter->listener) == 0) &&
           (filter->server[0] == '\0' || is_server(upstream, server, filter->server)) &&
           (!filter->by_client || prefix_has(&filter->client, client));
}

bool filter_takes_bearer(const struct filter *filter, const char *subject,
                         const char *fingerprint) {
    return filter->tls_client[0] == '\0' || bearer_is(subject, fingerprint, filter->tls_client);
}

bool filter_takes_live(const struct filter *filter, uint64_t number, usec_t age, uint64_t bytes) {
    if ((filter->id >= 0 && number != (uint64_t)filter->id) || age < filter->age)
        return false;
    return filter->rate == 0 || (double)bytes * (double)USEC_PER_SEC >=
                                    (double)filter->rate * (double)(age > 0 ? age : 1);
}

bool filter_is_empty(const struct filter *filter) {
    return filter->listener[0] == '\0' && filter->server[0] == '\0' && !filter->by_client &&
           filter->tls_client[0] == '\0' && filter->id < 0 && filter->age == 0 && filter->rate == 0;
}
