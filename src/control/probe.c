#include "control/probe.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "control/steer.h"
#include "health/check.h"

#define ADDRESSES_MOST 64 /* of a server are checked */
#define CONNECT_MOST   (10 * USEC_PER_SEC)
#define PARTS_WITHIN   (200 * USEC_PER_MSEC) /* after the last verdict */

struct probed {
    struct check_wish wish;
    struct check check;
    enum check_outcome outcome;
    usec_t took;
};

struct probe {
    struct thread thread;
    _Atomic bool done, stop;
    struct generation *generation; /* held */
    struct steered steered;
    struct health_check_config config; /* the upstream's, whose pointers it has; or a connect */
    bool configured;                   /* the former */
    size_t n, more;                    /* addresses; and those beyond ADDRESSES_MOST */
    struct probed list[ADDRESSES_MOST];
};

static _Atomic unsigned n_probes;

size_t probe_descriptors(const struct config *config) {
    size_t most = 1; /* addresses of a server */

    for (size_t i = 0; i < config->n_upstreams; i++)
        for (size_t k = 0; k < config->upstreams[i].n_servers; k++)
            if (config->upstreams[i].servers[k].address.form != ADDR_LITERAL)
                most = ADDRESSES_MOST;
    return PROBES_MOST * most;
}

static void note_outcome(struct probed *probed, enum check_outcome outcome, usec_t began) {
    if (outcome == CHECK_UNDER_WAY)
        return;
    probed->outcome = outcome;
    probed->took = clock_now() - began;
}

/* Does what has happened. */
static void step_probed(struct probed *probed, usec_t began) {
    if (probed->outcome == CHECK_UNDER_WAY)
        note_outcome(probed, check_go_on(&probed->check), began);
    if (probed->outcome != CHECK_UNDER_WAY)
        check_part(&probed->check);
}

/* Waits until something happens to one of them, or until the moment. False: none is under way. */
static bool wait_for_probed(struct probe *probe, usec_t until, usec_t began) {
    struct pollfd polls[ADDRESSES_MOST];
    usec_t now = clock_now(), wait = until > now ? until - now : 0;
    bool any = false;

    for (size_t i = 0; i < probe->n; i++) {
        struct check *check = &probe->list[i].check;

        polls[i] = (struct pollfd){.fd = check->fd,
                                   .events = check->fd >= 0 ? check_events(check) : (short)0};
        any = any || check->fd >= 0;
    }
    if (!any || poll(polls, (nfds_t)probe->n, (int)(wait / USEC_PER_MSEC) + 1) <= 0)
        return any;
    for (size_t i = 0; i < probe->n; i++)
        if (polls[i].fd >= 0 && polls[i].revents != 0)
            step_probed(&probe->list[i], began);
    return true;
}

static bool is_any_under_way(const struct probe *probe) {
    for (size_t i = 0; i < probe->n; i++)
        if (probe->list[i].outcome == CHECK_UNDER_WAY)
            return true;
    return false;
}

static void probe_thread(void *arg) {
    struct probe *probe = arg;
    usec_t began = clock_now(), until = began + probe->config.timeout;

    for (size_t i = 0; i < probe->n; i++) {
        struct probed *probed = &probe->list[i];

        note_outcome(probed, check_begin(&probed->check), began);
        if (probed->outcome != CHECK_UNDER_WAY)
            check_part(&probed->check);
    }
    while (is_any_under_way(probe) && clock_now() < until && !atomic_load(&probe->stop))
        (void)wait_for_probed(probe, until, began);
    for (size_t i = 0; i < probe->n; i++)
        if (probe->list[i].outcome == CHECK_UNDER_WAY)
            note_outcome(&probe->list[i], check_late(&probe->list[i].check, probe->config.timeout),
                         began);
    until = clock_now() + PARTS_WITHIN;
    while (clock_now() < until && !atomic_load(&probe->stop) &&
           wait_for_probed(probe, until, began)) {
    }
    for (size_t i = 0; i < probe->n; i++)
        check_end(&probe->list[i].check);
    atomic_store(&probe->done, true);
}

static void take_config(struct probe *probe, const struct upstream_config *config) {
    probe->config = config->health_check;
    probe->configured = config->health_check.given;
    if (probe->configured)
        return;
    probe->config = (struct health_check_config){
        .type = CHECK_TCP,
        .timeout = config->connect_timeout < CONNECT_MOST ? config->connect_timeout : CONNECT_MOST};
}

static bool add_address(struct probe *probe, const struct upstream_config *config,
                        const struct server_config *server, const struct addr *addr) {
    struct probed *probed = &probe->list[probe->n];

    probed->wish = (struct check_wish){.config = &probe->config,
                                       .addr = *addr,
                                       .sources = &config->source_address,
                                       .send_proxy = (enum proxy_version)config->send_proxy,
                                       .tls = config->tls.client,
                                       .host = server->host,
                                       .strict = config->serves_http};
    probed->outcome = CHECK_UNDER_WAY;
    if (check_init(&probed->check, &probed->wish) < 0)
        return false;
    probe->n++;
    return true;
}

/* False: no memory. */
static bool add_addresses(struct probe *probe, struct upstream *upstream) {
    size_t room = upstream_list(upstream, NULL, 0);
    struct listed_member *list = calloc(room + 1, sizeof(*list));
    size_t found = list != NULL ? upstream_list(upstream, list, room) : 0;
    bool whole = list != NULL;

    for (size_t i = 0; i < found && i < room; i++) {
        bool is = strcmp(list[i].server->name, probe->steered.server) == 0;

        if (is && probe->n < ADDRESSES_MOST)
            whole = whole &&
                    add_address(probe, upstream->config, list[i].server, &list[i].member->addr);
        else if (is)
            probe->more++;
        member_unref(list[i].member);
    }
    free(list);
    return whole;
}

/* NULL: it is begun. Else why not. */
static const char *start_probe(struct probe *probe) {
    struct upstream *upstream =
        upstreams_find(probe->generation->upstreams, probe->steered.upstream);

    if (upstream == NULL)
        return "there is no such server any more";
    take_config(probe, upstream->config);
    if (!add_addresses(probe, upstream))
        return "there is no memory";
    if (probe->n == 0)
        return "its name has no address";
    return thread_start(&probe->thread, "probe", NULL, probe_thread, probe) == 0
               ? NULL
               : "there is no thread for it; raise TasksMax";
}

struct probe *probe_begin(const struct question *question, struct reply *ret_refusal) {
    char why[STEER_SENTENCE_MAX], sentence[STEER_SENTENCE_MAX];
    struct steered steered;

    if (!steer_read_server(question, &steered, why)) {
        *ret_refusal = steer_refuse(question, 400, why);
        return NULL;
    }
    struct probe *probe = atomic_load(&n_probes) < PROBES_MOST ? calloc(1, sizeof(*probe)) : NULL;
    if (probe == NULL) {
        *ret_refusal = steer_refuse(question, 503, "too many checks are under way");
        return NULL;
    }
    atomic_fetch_add(&n_probes, 1);
    probe->steered = steered;
    probe->generation = relay_hold(question->relay);
    const char *failed = start_probe(probe);
    if (failed != NULL) {
        probe_free(probe);
        *ret_refusal = steer_refuse(question, 503, failed);
        return NULL;
    }
    snprintf(sentence, sizeof(sentence), "A check of %s/%s", steered.upstream, steered.server);
    steer_log(question, steered.upstream, steered.server, sentence);
    return probe;
}

bool probe_is_done(const struct probe *probe) {
    return atomic_load(&probe->done);
}

struct reply probe_reply(const struct probe *probe) {
    static const char *const outcomes[] = {[CHECK_UNDER_WAY] = "void",
                                           [CHECK_GOOD] = "good",
                                           [CHECK_BAD] = "bad",
                                           [CHECK_VOID] = "void",
                                           [CHECK_CUT_OFF] = "cut_off"};
    json_t *list = json_array();
    bool good = probe->more == 0;
    char address[ADDR_TEXT_MAX];

    for (size_t i = 0; i < probe->n; i++) {
        const struct probed *probed = &probe->list[i];
        const char *why = probed->outcome == CHECK_CUT_OFF ? strerrordesc_np(probed->check.error)
                          : probed->outcome == CHECK_GOOD  ? ""
                                                           : probed->check.why;

        good = good && probed->outcome == CHECK_GOOD;
        json_add(&list, json_pack("{s:s, s:s, s:s, s:I}", "address",
                                  addr_format(&probed->wish.addr, address, sizeof(address)),
                                  "outcome", outcomes[probed->outcome], "why",
                                  why != NULL ? why : "", "took_us", (json_int_t)probed->took));
    }
    return reply_json(200, json_pack("{s:b, s:s, s:s, s:b, s:o, s:I}", "good", good, "upstream",
                                     probe->steered.upstream, "server", probe->steered.server,
                                     "health_check", probe->configured, "addresses", list,
                                     "not_checked", (json_int_t)probe->more));
}

void probe_free(struct probe *probe) {
    atomic_store(&probe->stop, true);
    thread_interrupt_join(&probe->thread);
    for (size_t i = 0; i < probe->n; i++)
        check_destroy(&probe->list[i].check);
    relay_let_go(probe->generation);
    free(probe);
    atomic_fetch_sub(&n_probes, 1);
}
