#include "daemon/restart.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/clock.h"

#define PATIENCE (2 * USEC_PER_SEC)

#define MANAGER "org.freedesktop.systemd1"

/* The object of the unit that this process belongs to (org.freedesktop.systemd1(5)); 0 is whoever asks. */
static char *find_unit(sd_bus *bus) {
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    char *copy = NULL;

    if (sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager",
                           "GetUnitByPID", NULL, &reply, "u", (uint32_t)0) >= 0 &&
        sd_bus_message_read(reply, "o", &path) >= 0)
        copy = strdup(path);
    sd_bus_message_unref(reply);
    return copy;
}

static char *find_job(sd_bus *bus, const char *unit) {
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    uint32_t id = 0;
    char *copy = NULL;

    if (sd_bus_get_property(bus, MANAGER, unit, MANAGER ".Unit", "Job", NULL, &reply, "(uo)") >=
            0 &&
        sd_bus_message_read(reply, "(uo)", &id, &path) >= 0 && id != 0)
        copy = strdup(path);
    sd_bus_message_unref(reply);
    return copy;
}

/* Of a restart, the job is called so until the unit has stopped. */
static bool is_restart(sd_bus *bus, const char *job) {
    char *type = NULL;
    bool is = sd_bus_get_property_string(bus, MANAGER, job, MANAGER ".Job", "JobType", NULL,
                                         &type) >= 0 &&
              (strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0);

    free(type);
    return is;
}

bool restart_is_under_way(void) {
    sd_bus *bus = NULL;
    char *unit = NULL, *job = NULL;
    bool is = false;

    if (sd_bus_open_system(&bus) < 0)
        return false;
    (void)sd_bus_set_method_call_timeout(bus, (uint64_t)PATIENCE);
    unit = find_unit(bus);
    if (unit != NULL)
        job = find_job(bus, unit);
    if (job != NULL)
        is = is_restart(bus, job);
    free(unit);
    free(job);
    sd_bus_flush_close_unref(bus);
    return is;
}
