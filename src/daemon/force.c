#include "daemon/force.h"

#include <sysexits.h>

#include "base/log.h"
#include "config/warnings.h"
#include "daemon/limits.h"

static void log_config_warning(void *arg, const char *sentence) {
    (void)arg;
    log_msg(MSG_CONFIG_WARNING, "%s", sentence);
}

void force_log(const struct config *config) {
    log_set_level((enum log_level)config_log_level(config));
    log_set_format((enum log_format)config->global.log_format);
}

int force_config(struct relay *relay, struct passed *passed, struct config *config,
                 const struct listen_names *names, char **ret_what) {
    static const int statuses[] = {[APPLY_OK] = EX_OK,
                                   [APPLY_NO_SOCKET] = EX_UNAVAILABLE,
                                   [APPLY_FORBIDDEN] = EX_NOPERM,
                                   [APPLY_WRONG] = EX_CONFIG,
                                   [APPLY_NO_RESOURCES] = EX_OSERR};
    struct relay_limits limits = limits_for(config, relay_link(relay));
    enum apply_outcome outcome =
        relay_apply(relay, config, names, &limits, passed->list, passed->n, ret_what);

    if (outcome == APPLY_OK) {
        relay_note_reload(relay, true);
        relay_watch_certificates(relay);
        force_log(config);
        warnings_tell(config, log_config_warning, NULL);
    }
    return statuses[outcome];
}
