/* Network interfaces, by name.
 *
 * The kernel knows an interface by a number, and gives it another one when it is made anew. So what
 * an operator wrote is kept as a number of our own, above the kernel's, which stands for the name:
 * it stays the same while interfaces come and go. Any thread. */
#ifndef BASE_INTERFACE_H
#define BASE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define INTERFACES_MOST 4096 /* names in the life of the process */

/* Reads what stands after the "%" of a link-local address: a name, whether there is such an
 * interface or not, or the kernel's number of one, which is kept as such. On failure returns false
 * and sets *ret_why to a constant clause. */
bool interface_parse(const char *text, uint32_t *ret_number, const char **ret_why) MUST_USE;

/* The name that a number of ours stands for; NULL: it is the kernel's, or 0. */
const char *interface_name(uint32_t number);

/* Our number for the interface that has this one of the kernel's now; 0: nobody has named it. */
uint32_t interface_recall(uint32_t index);

/* The kernel's number for this name now; 0: there is no such interface. */
uint32_t interface_index(const char *name);

#endif
