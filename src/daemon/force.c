#include "daemon/force.h"

#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "daemon/limits.h"
#include "road/acceptor.h"

static void log_config_warning(void *arg, const char *sentence) {
    (void)arg;
    log_msg(MSG_CONFIG_WARNING, "%s", sentence);
}

int force_config(struct relay *relay, struct passed *passed, struct config *config,
                 const struct listen_names *names, char **ret_what) {
    static const int statuses[] = {[APPLY_OK] = EX_OK,
                                   [APPLY_NO_SOCKET] = EX_UNAVAILABLE,
                                   [APPLY_FORBIDDEN] = EX_NOPERM,
                                   [APPLY_WRONG] = EX_CONFIG,
                                   [APPLY_NO_RESOURCES] = EX_OSERR};
    struct relay_limits limits = limits_settle(config, relay->road.link);
    struct upstreams *upstreams = upstreams_new(
        config, relay->now != NULL ? relay->now->upstreams : NULL, relay_reset_member, relay);

    if (upstreams == NULL || upstreams_start(upstreams) < 0) {
        upstreams_free(upstreams); /* no lookup is under way */
        *ret_what = strdup("There is no memory or no thread for the upstreams; raise TasksMax.");
        return EX_OSERR;
    }
    enum apply_outcome outcome =
        relay_apply(relay, config, names, upstreams, &limits, passed->list, passed->n, ret_what);
    if (outcome == APPLY_OK) {
        if (relay->road.link != NULL)
            table_bound(relay->road.link->table, limits.max_held);
        log_set_level((enum log_level)config_log_level(config));
        config_warn(config, log_config_warning, NULL);
    }
    return statuses[outcome];
}

void force_say_listeners(struct relay *relay) {
    struct acceptor *acceptor;

    TAILQ_FOREACH(acceptor, &relay->acceptors, link) {
        if (acceptor->announced)
            continue;
        acceptor->announced = true;
        log_msg(MSG_READY, "Listener %s takes connections on %s and relays them to %s.",
                acceptor->serves->config->name, acceptor->socket.text,
                acceptor->serves->upstream->config->name);
    }
}
