#include "daemon/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANAGER_OBJECT "/org/freedesktop/systemd1"
#define MANAGER        BUS_SYSTEMD ".Manager"

/* Whether there is time for one more question, and that does not wait for longer. */
static bool bus_has_time(struct bus *bus) {
    usec_t now = clock_now();

    return now < bus->deadline &&
           sd_bus_set_method_call_timeout(bus->bus, (uint64_t)(bus->deadline - now)) >= 0;
}

/* sd_bus_open_system(3) would wait a minute and a half for a bus that takes connections and says
 * nothing. */
bool bus_open(struct bus *ret_bus, usec_t deadline) {
    const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
    struct bus bus = {.deadline = deadline};
    int r = sd_bus_new(&bus.bus);

    if (r >= 0)
        r = sd_bus_set_address(bus.bus,
                               address != NULL ? address : "unix:path=/run/dbus/system_bus_socket");
    if (r >= 0)
        r = sd_bus_set_bus_client(bus.bus, true);
    if (r >= 0)
        r = bus_has_time(&bus) ? sd_bus_start(bus.bus) : -ETIMEDOUT;
    while (r >= 0 && (r = sd_bus_is_ready(bus.bus)) == 0) {
        usec_t now = clock_now();

        r = now < deadline ? sd_bus_process(bus.bus, NULL) : -ETIMEDOUT;
        if (r == 0)
            r = sd_bus_wait(bus.bus, (uint64_t)(deadline - now));
    }
    if (r < 0)
        sd_bus_close_unref(bus.bus);
    else
        *ret_bus = bus;
    return r >= 0;
}

/* Without a flush, which would wait: nothing that is asked here need arrive. */
void bus_close(struct bus *bus) {
    sd_bus_close_unref(bus->bus);
    bus->bus = NULL;
}

/* The object that a method has answered with. */
static char *take_bus_object(sd_bus_message *reply) {
    const char *path = NULL;
    char *copy = NULL;

    if (reply != NULL && sd_bus_message_read(reply, "o", &path) >= 0)
        copy = strdup(path);
    sd_bus_message_unref(reply);
    return copy;
}

char *bus_find_by_name(struct bus *bus, const char *method, const char *name) {
    sd_bus_message *reply = NULL;

    if (bus_has_time(bus))
        (void)sd_bus_call_method(bus->bus, BUS_SYSTEMD, MANAGER_OBJECT, MANAGER, method, NULL,
                                 &reply, "s", name);
    return take_bus_object(reply);
}

char *bus_find_by_number(struct bus *bus, const char *method, uint32_t number) {
    sd_bus_message *reply = NULL;

    if (bus_has_time(bus))
        (void)sd_bus_call_method(bus->bus, BUS_SYSTEMD, MANAGER_OBJECT, MANAGER, method, NULL,
                                 &reply, "u", number);
    return take_bus_object(reply);
}

bool bus_get(struct bus *bus, const char *object, const char *interface, const char *property,
             char type, void *ret_value) {
    return bus_has_time(bus) &&
           sd_bus_get_property_trivial(bus->bus, BUS_SYSTEMD, object, interface, property, NULL,
                                       type, ret_value) >= 0;
}

bool bus_get_text(struct bus *bus, const char *object, const char *interface, const char *property,
                  char **ret_text) {
    return bus_has_time(bus) && sd_bus_get_property_string(bus->bus, BUS_SYSTEMD, object, interface,
                                                           property, NULL, ret_text) >= 0;
}

char **bus_get_texts(struct bus *bus, const char *object, const char *interface,
                     const char *property) {
    char **texts = NULL;

    if (bus_has_time(bus))
        (void)sd_bus_get_property_strv(bus->bus, BUS_SYSTEMD, object, interface, property, NULL,
                                       &texts);
    return texts;
}

bool bus_get_filter(struct bus *bus, const char *object, const char *interface,
                    const char *property, bool *ret_allow, char ***ret_names) {
    sd_bus_message *reply = NULL;
    char **names = NULL;
    int allow = 0; /* sd_bus_message_read_basic(3): a boolean is an int */
    bool found = bus_has_time(bus) &&
                 sd_bus_get_property(bus->bus, BUS_SYSTEMD, object, interface, property, NULL,
                                     &reply, "(bas)") >= 0 &&
                 sd_bus_message_enter_container(reply, 'r', "bas") >= 0 &&
                 sd_bus_message_read(reply, "b", &allow) >= 0 &&
                 sd_bus_message_read_strv(reply, &names) >= 0;

    sd_bus_message_unref(reply);
    if (found) {
        *ret_allow = allow != 0;
        *ret_names = names;
    }
    return found;
}

bool bus_get_job(struct bus *bus, const char *unit, char **ret_job) {
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    uint32_t id = 0;

    *ret_job = NULL;
    if (bus_has_time(bus) &&
        sd_bus_get_property(bus->bus, BUS_SYSTEMD, unit, BUS_SYSTEMD ".Unit", "Job", NULL, &reply,
                            "(uo)") >= 0 &&
        sd_bus_message_read(reply, "(uo)", &id, &path) >= 0 && id != 0)
        *ret_job = strdup(path);
    sd_bus_message_unref(reply);
    return id != 0;
}
