#include "relay/renewal.h"

#include <time.h>

#include "base/log.h"
#include "base/text.h"
#include "tls/client.h"
#include "tls/server.h"
#include "tls/tickets.h"

#define LAST_DAYS 7

static bool is_between(int64_t moment, int64_t looked, int64_t now) {
    return looked < moment && moment <= now;
}

bool renewal_is_told(int64_t not_before, int64_t not_after, int64_t looked, int64_t now) {
    int64_t third = not_after - (not_after - not_before) / 3;

    for (int day = 0; day <= LAST_DAYS; day++) {
        int64_t moment = not_after - (int64_t)day * SECONDS_PER_DAY;

        if (moment >= third && is_between(moment, looked, now))
            return true;
    }
    return is_between(third, looked, now);
}

/* Whose certificates are looked at. */
struct looking {
    const char *section, *name; /* "Listener", "web" */
    const char *peers;          /* who gets them */
    struct log_field fields[2];
    int64_t looked, now;
};

static void log_fresh(void *arg, const struct tls_facts *facts) {
    const struct looking *looking = arg;
    char names[256], day[16];

    log_msg_with(MSG_CERTIFICATE_TAKEN, looking->fields,
                 "%s %s: a new certificate of %s is in force: serial %s, until %s, from %s.",
                 looking->section, looking->name, tls_facts_say_names(facts, names, sizeof(names)),
                 facts->serial, text_format_day(facts->not_after, day, sizeof(day)), facts->file);
}

static void log_file(void *arg, const char *option, const char *path) {
    const struct looking *looking = arg;

    log_msg_with(MSG_CERTIFICATE_TAKEN, looking->fields,
                 "%s %s: a changed file is in force: %s: %s.", looking->section, looking->name,
                 option, path);
}

static void log_finding(void *arg, enum tls_weight weight, const char *option, size_t value,
                        const char *what) {
    const struct looking *looking = arg;

    (void)value;
    log_msg_with(MSG_CERTIFICATE_WRONG, looking->fields, "%s %s: %s%s: %s.", looking->section,
                 looking->name,
                 weight == TLS_WRONG ? "what is in force stays, since a file has changed and "
                                       "cannot be taken: "
                                     : "",
                 option, what);
}

static void log_end(void *arg, const struct tls_facts *facts) {
    const struct looking *looking = arg;
    int64_t left = facts->not_after - looking->now, days = left / SECONDS_PER_DAY;
    char names[256], day[16];

    if (!renewal_is_told(facts->not_before, facts->not_after, looking->looked, looking->now))
        return;
    tls_facts_say_names(facts, names, sizeof(names));
    text_format_day(facts->not_after, day, sizeof(day));
    if (left <= 0)
        log_msg_with(MSG_CERTIFICATE_ENDS, looking->fields,
                     "%s %s: the certificate of %s (%s) has expired: %s refuse it. Renew it.",
                     looking->section, looking->name, names, facts->file, looking->peers);
    else
        log_msg_with(MSG_CERTIFICATE_ENDS, looking->fields,
                     "%s %s: the certificate of %s (%s) ends in %lld day%s, on %s, and nobody has "
                     "renewed it.",
                     looking->section, looking->name, names, facts->file, (long long)days,
                     days == 1 ? "" : "s", day);
}

static void look_at_listener(const struct listener_config *listener, int64_t looked, int64_t now) {
    struct looking looking = {"Listener", listener->name,
                              "clients",  {{"RELAYD_LISTENER", listener->name}, {0}},
                              looked,     now};
    const struct tls_look_calls calls = {log_fresh, log_file, log_finding, &looking};

    if (listener->tls.server == NULL)
        return;
    (void)tls_server_look(listener->tls.server, &calls);
    tls_server_visit(listener->tls.server, log_end, &looking);
}

static void look_at_upstream(const struct upstream_config *upstream, int64_t looked, int64_t now) {
    struct looking looking = {"Upstream", upstream->name,
                              "servers",  {{"RELAYD_UPSTREAM", upstream->name}, {0}},
                              looked,     now};
    const struct tls_look_calls calls = {log_fresh, log_file, log_finding, &looking};

    if (upstream->tls.client == NULL)
        return;
    (void)tls_client_look(upstream->tls.client, &calls);
    tls_client_visit(upstream->tls.client, log_end, &looking);
}

static void look_at_certificates(struct renewal *renewal, const struct config *config) {
    int64_t now = (int64_t)time(NULL);

    for (size_t i = 0; i < config->n_listeners; i++)
        look_at_listener(&config->listeners[i], renewal->looked, now);
    for (size_t i = 0; i < config->n_upstreams; i++)
        look_at_upstream(&config->upstreams[i], renewal->looked, now);
    renewal->looked = now;
    tickets_tidy(now);
}

static void renewal_thread(void *arg) {
    struct renewal *renewal = arg;

    lock_acquire(&renewal->lock);
    while (!renewal->stop) {
        struct config *config = config_ref(renewal->config);

        lock_release(&renewal->lock);
        look_at_certificates(renewal, config);
        config_unref(config);
        lock_acquire(&renewal->lock);
        if (!renewal->stop)
            (void)cond_wait_until(&renewal->changed, &renewal->lock,
                                  clock_now() + renewal->interval);
    }
    lock_release(&renewal->lock);
}

static bool has_certificates(const struct config *config) {
    for (size_t i = 0; i < config->n_listeners; i++)
        if (config->listeners[i].tls.server != NULL)
            return true;
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (config->upstreams[i].tls.client != NULL)
            return true;
    return false;
}

UNCHECKED static void begin_renewal(struct renewal *renewal, struct config *config,
                                    usec_t interval) {
    *renewal = (struct renewal){.config = config_ref(config), .interval = interval};
    lock_init(&renewal->lock, RANK_LEAF);
    cond_init(&renewal->changed);
    int r = thread_start(&renewal->thread, "renewal", NULL, renewal_thread, renewal);
    if (r == 0)
        return;
    log_msg(MSG_CERTIFICATE_WRONG,
            "No thread looks at the files of certificates (%s): reload after each renewal.",
            strerrordesc_np(-r));
    config_unref(renewal->config);
}

void renewal_use(struct renewal *renewal, struct config *config, usec_t interval) {
    if (!renewal->thread.running) {
        if (has_certificates(config))
            begin_renewal(renewal, config, interval);
        return;
    }
    lock_acquire(&renewal->lock);
    struct config *before = renewal->config;
    renewal->config = config_ref(config);
    cond_signal(&renewal->changed);
    lock_release(&renewal->lock);
    config_unref(before);
}

void renewal_stop(struct renewal *renewal) UNCHECKED {
    if (!renewal->thread.running)
        return;
    lock_acquire(&renewal->lock);
    renewal->stop = true;
    cond_signal(&renewal->changed);
    lock_release(&renewal->lock);
    thread_join(&renewal->thread);
    config_unref(renewal->config);
}
