/* Instead of the rest of this room, in a build without it. */
#include <stdio.h>
#include <string.h>

#include "control/control.h"
#include "control/public.h"

bool control_use(struct control **control, struct relay *relay, const struct config *config,
                 time_t since, char *ret_why, size_t size) {
    const char *wish = config->global.control;

    (void)control;
    (void)relay;
    (void)since;
    if (strcmp(wish, "auto") == 0 || strcmp(wish, "off") == 0)
        return true;
    snprintf(ret_why, size,
             "There is no control socket at %s: this relayd was built without it (control).", wish);
    return false;
}

size_t control_descriptors(const struct config *config) {
    (void)config;
    return 0;
}

void control_close(struct control *control) {
    (void)control;
}

bool public_use(struct public_site **site, struct relay *relay, const struct config *config,
                time_t since, char *ret_why, size_t size) {
    (void)site;
    (void)relay;
    (void)since;
    snprintf(ret_why, size, "There is no status page: this relayd was built without it (control).");
    return !config->status.given;
}

size_t public_descriptors(const struct config *config) {
    (void)config;
    return 0;
}

void public_close(struct public_site *site) {
    (void)site;
}
