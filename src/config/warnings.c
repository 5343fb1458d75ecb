#include "config/warnings.h"

#include <stdlib.h>

#include "config/overlaps.h"

void warnings_tell(const struct config *config, config_error_fn *on_warning, void *arg) {
    for (size_t i = 0; i < config->n_upstreams; i++) {
        const struct upstream_config *upstream = &config->upstreams[i];

        if (upstream->drained)
            config_warn_of(config, upstream->line, on_warning, arg,
                           "upstream %s is drained: all its servers have weight 0, so its clients "
                           "are refused",
                           upstream->name);
    }
    overlaps_warn(config, on_warning, arg);
}

void warnings_tell_unused(const struct config *config, config_error_fn *on_warning, void *arg) {
    bool *used = calloc(config->n_upstreams, sizeof(*used));

    if (used == NULL)
        return;
    for (size_t i = 0; i < config->n_listeners; i++)
        used[config->listeners[i].upstream] = true;
    for (size_t i = 0; i < config->n_upstreams; i++)
        if (!used[i])
            config_warn_of(config, config->upstreams[i].line, on_warning, arg,
                           "upstream %s is used by no listener", config->upstreams[i].name);
    free(used);
}
