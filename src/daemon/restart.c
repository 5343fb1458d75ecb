#include "daemon/restart.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/bus.h"

#define PATIENCE (2 * USEC_PER_SEC)

/* Of a restart, the job is called so until the unit has stopped. */
static bool is_restart(struct bus *bus, const char *job) {
    char *type = NULL;
    bool is = bus_get_text(bus, job, BUS_SYSTEMD ".Job", "JobType", &type) &&
              (strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0);

    free(type);
    return is;
}

/* The keeper's unit has a job, too: with both restarted at once, nobody would hold anything. */
static bool is_keeper_at_work(struct bus *bus) {
    char *unit = bus_find_by_name(bus, "GetUnit", "relayd-keeper.service"), *job = NULL;
    bool is = unit != NULL && bus_get_job(bus, unit, &job);

    free(unit);
    free(job);
    return is;
}

bool restart_is_under_way(void) {
    char *unit = NULL, *job = NULL;
    struct bus bus;
    bool is = false;

    if (!bus_open(&bus, clock_now() + PATIENCE))
        return false;
    unit = bus_find_by_number(&bus, "GetUnitByPID", 0); /* 0 is whoever asks */
    if (unit != NULL && bus_get_job(&bus, unit, &job) && job != NULL)
        is = is_restart(&bus, job) && !is_keeper_at_work(&bus);
    free(unit);
    free(job);
    bus_close(&bus);
    return is;
}
