/* Asks systemd over D-Bus, within one deadline. */
#ifndef DAEMON_BUS_H
#define DAEMON_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/check.h"
#include "base/clock.h"

/* org.freedesktop.systemd1(5): bus name, and root of interfaces */
#define BUS_SYSTEMD "org.freedesktop.systemd1"

struct bus {
    sd_bus *bus;
    usec_t deadline;
};

/* Connects to the system bus. False: nobody answered in time. */
bool bus_open(struct bus *ret_bus, usec_t deadline) MUST_USE;
void bus_close(struct bus *bus);

/* Calls a method of the manager with one argument, "s" or "u". Returns an object's path, which the
 * caller frees, or NULL. */
char *bus_find_by_name(struct bus *bus, const char *method, const char *name);
char *bus_find_by_number(struct bus *bus, const char *method, uint32_t number);

/* A property of an object. False, or NULL: not to be had. The caller frees a text, and a list (it
 * ends with NULL) with its texts. */
bool bus_get(struct bus *bus, const char *object, const char *interface, const char *property,
             char type, void *ret_value) MUST_USE;
bool bus_get_text(struct bus *bus, const char *object, const char *interface, const char *property,
                  char **ret_text) MUST_USE;
char **bus_get_texts(struct bus *bus, const char *object, const char *interface,
                     const char *property);

/* A property such as SystemCallFilter= in systemd.exec(5): a list of what is allowed, or else
 * forbidden; NULL: empty. */
bool bus_get_filter(struct bus *bus, const char *object, const char *interface,
                    const char *property, bool *ret_allow, char ***ret_names) MUST_USE;

/* False: the unit has no job. The caller frees the job's object; NULL: no memory. */
bool bus_get_job(struct bus *bus, const char *unit, char **ret_job) MUST_USE;

#endif
