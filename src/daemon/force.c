#include "daemon/force.h"

#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "config/warnings.h"
#include "daemon/limits.h"
#include "record/access_log.h"
#include "record/request_record.h"

static void log_config_warning(void *arg, const char *where, const char *sentence) {
    (void)arg;
    log_msg(MSG_CONFIG_WARNING, "%s%s", where, sentence);
}

void force_log(const struct config *config) {
    log_set_level((enum log_level)config_log_level(config));
    log_set_format((enum log_format)config->global.log_format);
    request_record_choose(config->global.requests, config->global.slow_requests);
}

int force_config(struct relay *relay, struct passed *passed, const struct reading_result *read,
                 char **ret_what) {
    static const int statuses[] = {[APPLY_OK] = EX_OK,
                                   [APPLY_NO_SOCKET] = EX_UNAVAILABLE,
                                   [APPLY_FORBIDDEN] = EX_NOPERM,
                                   [APPLY_WRONG] = EX_CONFIG,
                                   [APPLY_NO_RESOURCES] = EX_OSERR};
    struct config *config = read->config;
    struct relay_limits limits = limits_for(config, relay_link(relay));

    if (read->access != NULL && access_log_begin() < 0) {
        *ret_what = strdup("There is no memory or no thread for the access log; raise TasksMax.");
        return EX_OSERR;
    }
    enum apply_outcome outcome =
        relay_apply(relay, config, &read->names, &limits, passed->list, passed->n, ret_what);
    if (outcome == APPLY_OK) {
        access_log_use(read->access != NULL ? access_file_ref(read->access) : NULL);
        relay_note_reload(relay, true);
        relay_watch_certificates(relay);
        force_log(config);
        warnings_tell(config, log_config_warning, NULL);
    }
    return statuses[outcome];
}
