/* Questions to systemd over D-Bus, none of which waits beyond one deadline. */
#ifndef DAEMON_BUS_H
#define DAEMON_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/check.h"
#include "base/clock.h"

/* org.freedesktop.systemd1(5): its name, and the root of its interfaces */
#define BUS_SYSTEMD "org.freedesktop.systemd1"

struct bus {
    sd_bus *bus;
    usec_t deadline;
};

/* Connects to the system bus. False: nobody is there, or does not answer in time. */
bool bus_open(struct bus *ret_bus, usec_t deadline) MUST_USE;
void bus_close(struct bus *bus);

/* A method of the manager with one argument, of type "s" or "u", that answers with an object: its
 * path, which the caller frees, or NULL. */
char *bus_find_by_name(struct bus *bus, const char *method, const char *name);
char *bus_find_by_number(struct bus *bus, const char *method, uint32_t number);

/* A property of an object: false (of a list: NULL) if it cannot be had. A text is the caller's to
 * free, and so is a list with all of its texts, whose end is a NULL. */
bool bus_get(struct bus *bus, const char *object, const char *interface, const char *property,
             char type, void *ret_value) MUST_USE;
bool bus_get_text(struct bus *bus, const char *object, const char *interface, const char *property,
                  char **ret_text) MUST_USE;
char **bus_get_texts(struct bus *bus, const char *object, const char *interface,
                     const char *property);

/* The property of a setting that takes a list of what is allowed, or after a ~ of what is not, as
 * SystemCallFilter= in systemd.exec(5): which of both it is, and the list as above (NULL: it is
 * empty). */
bool bus_get_filter(struct bus *bus, const char *object, const char *interface,
                    const char *property, bool *ret_allow, char ***ret_names) MUST_USE;

/* The job of a unit: whether it has one, and its object, which the caller frees (NULL: no
 * memory). */
bool bus_get_job(struct bus *bus, const char *unit, char **ret_job) MUST_USE;

#endif
