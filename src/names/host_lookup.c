/* one_host: a name without a dot at its end may stand for several full names, which are tried in
 * turn (etc_candidate): the first with an address of either family is the host. A family that has
 * none there waits (is parked) for the other's answer before it goes on to the next candidate, and
 * both go on together: else addresses of two hosts would be mixed. */
#include "names/host_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/stats.h"

struct query {
    struct host *host;
    enum family_kind kind;
    unsigned serial, version; /* of etc */
};

static const char *const in_hosts_alone =
    "it is not in /etc/hosts, and /etc/nsswitch.conf says not to ask DNS";

static struct family *other_family(struct host *host, const struct family *family) {
    return &host->family[family == &host->family[FAMILY_IPV4] ? FAMILY_IPV6 : FAMILY_IPV4];
}

/* Addresses */

static int compare_bytes(const void *a, const void *b) {
    return memcmp(a, b, 16);
}

/* Sorts them, without doubles. */
static size_t tidy_list(unsigned char (*list)[16], size_t n) {
    size_t kept = 0;

    qsort(list, n, sizeof(*list), compare_bytes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_bytes(list[i], list[kept - 1]) != 0)
            memmove(list[kept++], list[i], sizeof(*list));
    return kept;
}

/* Takes over the list. Whether it differs. */
static bool set_list(struct family *family, unsigned char (*list)[16], size_t n) {
    n = n > 0 ? tidy_list(list, n) : 0;
    if (n == family->n && (n == 0 || memcmp(list, family->list, n * sizeof(*list)) == 0)) {
        free(list);
        return false;
    }
    free(family->list);
    family->list = list;
    family->n = n;
    return true;
}

/* An answer that there are none removes old addresses, but not the last ones of the host. */
static bool drop_refuted(struct host *host) {
    bool changed = false;

    for (size_t i = 0; i < FAMILIES; i++) {
        struct family *family = &host->family[i], *other = other_family(host, family);

        if (family->state == FAMILY_NONE && other->n > 0 && other->state != FAMILY_NONE)
            changed = set_list(family, NULL, 0) || changed;
    }
    return changed;
}

/* Whether, for all that the family knows, this candidate is the host. */
static bool lives_at(const struct family *family, int candidate) {
    return family->n > 0 && family->from == candidate && family->state != FAMILY_NONE;
}

/* Outcomes */

void host_hurry(struct host *host, struct family *family) {
    family->due = 0;
    cache_expect(host->cache, 0);
}

static void tell_wishes(struct host *host) {
    struct wish *wish;

    LIST_FOREACH(wish, &host->wishes, entry)
        wish->news(wish->arg);
}

static usec_t next_pause(struct host *host, struct family *family) {
    const struct family *other = other_family(host, family);
    usec_t pause = family->retry;

    if (family->state == FAMILY_FOUND)
        pause = family->pause;
    else if (family->state == FAMILY_NONE && other->n > 0 && other->state != FAMILY_NONE)
        pause = other->pause;
    else
        family->retry = family->retry < host->interval ? family->retry * 2 : host->interval;
    if (family->state == FAMILY_FOUND)
        family->retry = RETRY_FIRST;
    return pause < host->interval ? pause : host->interval;
}

/* The lookup of a family ended. changed: with other addresses. */
static void conclude_family(struct host *host, struct family *family, enum family_state state,
                            const char *why, bool changed) {
    changed = changed || family->state != state;
    family->state = state;
    family->why = why;
    family->asked = -1;
    family->parked = false;
    changed = drop_refuted(host) || changed;
    family->due = clock_now() + next_pause(host, family);
    cache_expect(host->cache, family->due);
    stats_add(STAT_resolve_failures, state == FAMILY_FAILED || host_is_absent(host));
    if (changed || host_trouble(host) != host->said || host->say_again)
        tell_wishes(host);
}

static void set_found(struct host *host, struct family *family, int from, unsigned char (*list)[16],
                      size_t n, usec_t ttl) {
    struct family *other = other_family(host, family);

    family->from = from;
    family->pause = ttl > TTL_LEAST ? ttl : TTL_LEAST;
    conclude_family(host, family, FAMILY_FOUND, NULL, set_list(family, list, n));
    if (other->parked) /* one_host */
        conclude_family(host, other, FAMILY_NONE, other->why, false);
    else if (other->n > 0 && other->from != from && other->asked < 0)
        host_hurry(host, other); /* those are the addresses of another */
}

/* /etc/hosts */

static void take_hosts_family(struct host *host, enum family_kind kind,
                              const struct etc_address *entries, size_t n) {
    unsigned char(*list)[16] = calloc(n, sizeof(*list));
    struct family *family = &host->family[kind];
    size_t used = 0;

    family->serial++; /* what is under way comes too late */
    for (size_t i = 0; i < n && list != NULL; i++)
        if (entries[i].is_ipv6 == (kind == FAMILY_IPV6))
            memcpy(list[used++], entries[i].bytes, sizeof(*list));
    if (list == NULL) {
        conclude_family(host, family, FAMILY_FAILED, "no memory", false);
    } else if (used > 0) {
        set_found(host, family, FROM_HOSTS, list, used, 0);
    } else {
        free(list);
        conclude_family(host, family, FAMILY_NONE, "/etc/hosts has none", false);
    }
}

static bool take_hosts(struct host *host) {
    size_t n;
    const struct etc_address *entries = etc_find(&host->cache->etc, host->name, &n);

    if (entries == NULL)
        return false;
    take_hosts_family(host, FAMILY_IPV4, entries, n);
    take_hosts_family(host, FAMILY_IPV6, entries, n);
    return true;
}

/* DNS */

static void on_host_answer(void *arg, const struct dns_answer *answer);

static void ask_dns(struct host *host, struct family *family, int candidate) {
    struct cache *cache = host->cache;
    enum family_kind kind = family == &host->family[FAMILY_IPV4] ? FAMILY_IPV4 : FAMILY_IPV6;
    struct query *query = malloc(sizeof(*query));
    char name[ADDR_NAME_MAX + 1];

    CHECK(etc_candidate(&cache->etc, host->name, (size_t)candidate, name));
    if (query == NULL) {
        conclude_family(host, family, FAMILY_FAILED, "no memory", false);
        return;
    }
    family->asked = candidate;
    family->parked = false;
    *query = (struct query){
        .host = host, .kind = kind, .serial = ++family->serial, .version = cache->etc.version};
    host->queries++;
    cache->n_asked++;
    cache->ops->lookup(cache->dns, name, kind == FAMILY_IPV4 ? DNS_A : DNS_AAAA, on_host_answer,
                       query);
}

static bool has_candidate(const struct host *host, int candidate) {
    char name[ADDR_NAME_MAX + 1];

    return etc_candidate(&host->cache->etc, host->name, (size_t)candidate, name);
}

static void take_records(struct host *host, struct family *family,
                         const struct dns_answer *answer) {
    unsigned char(*list)[16] = calloc(answer->n, sizeof(*list));

    if (list == NULL) {
        conclude_family(host, family, FAMILY_FAILED, "no memory", false);
        return;
    }
    for (size_t i = 0; i < answer->n; i++)
        memcpy(list[i], answer->list[i].address, sizeof(*list));
    set_found(host, family, family->asked, list, answer->n, answer->ttl);
}

/* None at this candidate: the other family tells what that means (one_host), and is asked if it is
 * not. */
static void take_none(struct host *host, struct family *family, const char *why) {
    struct family *other = other_family(host, family);
    int candidate = family->asked;
    bool together = other->asked == candidate, lives = lives_at(other, candidate);

    family->why = why;
    if (other->asked < 0 && lives && family->n > 0) {
        family->parked = true;
        ask_dns(host, other, candidate);
    } else if (together && !other->parked) {
        family->parked = true;
    } else if (lives && !together) {
        conclude_family(host, family, FAMILY_NONE, why, false);
    } else if (has_candidate(host, candidate + 1)) {
        ask_dns(host, family, candidate + 1);
        if (together)
            ask_dns(host, other, candidate + 1);
    } else if (!host->cache->etc.ways.dns_first || !take_hosts(host)) {
        bool changed = together && other->state != FAMILY_NONE;

        other->state = together ? FAMILY_NONE : other->state; /* neither refutes the other */
        conclude_family(host, family, FAMILY_NONE, why, changed);
        if (together)
            conclude_family(host, other, FAMILY_NONE, other->why, false);
    }
}

/* A parked family learns that the other failed: a later candidate might have been the host. */
static void take_failed(struct host *host, struct family *family, const char *why) {
    struct family *other = other_family(host, family);
    bool last = !has_candidate(host, family->asked + 1);

    conclude_family(host, family, FAMILY_FAILED, why, false);
    if (other->parked)
        conclude_family(host, other, last ? FAMILY_NONE : FAMILY_FAILED, last ? other->why : why,
                        false);
}

/* Candidates have changed: ignores answers under way. */
static void ask_anew(struct host *host) {
    for (size_t i = 0; i < FAMILIES; i++) {
        struct family *family = &host->family[i];

        if (family->asked >= 0)
            host_hurry(host, family);
        family->asked = -1;
        family->parked = false;
        family->serial++;
    }
}

static void on_host_answer(void *arg, const struct dns_answer *answer) {
    const struct query query = *(struct query *)arg;
    struct host *host = query.host;
    struct family *family = &host->family[query.kind];

    free(arg);
    host->queries--;
    if (host->cache->stopping || query.serial != family->serial)
        return;
    if (query.version != host->cache->etc.version) {
        ask_anew(host);
        return;
    }
    if (answer->outcome == DNS_FOUND)
        take_records(host, family, answer);
    else if (answer->outcome == DNS_NONE)
        take_none(host, family, answer->why);
    else
        take_failed(host, family, answer->why);
}

void host_ask(struct host *host, struct family *family) {
    const struct etc_ways *ways = &host->cache->etc.ways;

    if (!ways->dns_first && take_hosts(host))
        return;
    if (ways->use_dns)
        ask_dns(host, family, 0);
    else
        conclude_family(host, family, FAMILY_NONE, in_hosts_alone, false);
}
