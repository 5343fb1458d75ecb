#include "daemon/restart.h"

#include <errno.h>
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

/* Whether the unit has a job; *ret_job is its object, which the caller frees (NULL: no memory). */
static bool find_job(sd_bus *bus, const char *unit, char **ret_job) {
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    uint32_t id = 0;

    if (sd_bus_get_property(bus, MANAGER, unit, MANAGER ".Unit", "Job", NULL, &reply, "(uo)") >=
            0 &&
        sd_bus_message_read(reply, "(uo)", &id, &path) >= 0 && id != 0)
        *ret_job = strdup(path);
    sd_bus_message_unref(reply);
    return id != 0;
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

/* The keeper's unit has a job, too: with both restarted at once, nobody would hold anything. */
static bool is_keeper_at_work(sd_bus *bus) {
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    char *job = NULL;
    bool is = false;

    if (sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager", "GetUnit",
                           NULL, &reply, "s", "relayd-keeper.service") >= 0 &&
        sd_bus_message_read(reply, "o", &path) >= 0)
        is = find_job(bus, path, &job);
    sd_bus_message_unref(reply);
    free(job);
    return is;
}

/* sd_bus_open_system(3) would wait a minute and a half for a bus that takes connections and says nothing. */
static int open_bus(sd_bus **ret_bus) {
    const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
    usec_t deadline = clock_now() + PATIENCE;
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus,
                               address != NULL ? address : "unix:path=/run/dbus/system_bus_socket");
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(bus, (uint64_t)PATIENCE);
    if (r >= 0)
        r = sd_bus_start(bus);
    while (r >= 0 && (r = sd_bus_is_ready(bus)) == 0) {
        usec_t now = clock_now();

        r = now < deadline ? sd_bus_process(bus, NULL) : -ETIMEDOUT;
        if (r == 0)
            r = sd_bus_wait(bus, (uint64_t)(deadline - now));
    }
    if (r < 0)
        sd_bus_close_unref(bus);
    else
        *ret_bus = bus;
    return r;
}

bool restart_is_under_way(void) {
    sd_bus *bus = NULL;
    char *unit = NULL, *job = NULL;
    bool is = false;

    if (open_bus(&bus) < 0)
        return false;
    unit = find_unit(bus);
    if (unit != NULL && find_job(bus, unit, &job) && job != NULL)
        is = is_restart(bus, job) && !is_keeper_at_work(bus);
    free(unit);
    free(job);
    sd_bus_flush_close_unref(bus);
    return is;
}
