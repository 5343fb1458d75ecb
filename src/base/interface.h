/* Network interfaces, by name.
 *
 * The kernel knows an interface by a number, and gives it another when it is made anew. So what an
 * operator wrote is kept as a number of our own for the name, above the kernel's, which stays the
 * same while interfaces come and go. Any thread. */
#ifndef BASE_INTERFACE_H
#define BASE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define INTERFACES_MOST 4096 /* names in the life of the process */

/* Reads what follows the "%" of a link-local address: a name, of an interface that is there or not;
 * or the kernel's number, kept as such. On failure returns false and sets *ret_why to a constant
 * clause. */
bool interface_parse(const char *text, uint32_t *ret_number, const char **ret_why) MUST_USE;

/* The name for a number of ours; NULL: it is the kernel's, or 0. */
const char *interface_name(uint32_t number);

/* Our number for what is this interface of the kernel's now; 0: nobody named it. */
uint32_t interface_recall(uint32_t index);

/* The kernel's number for this name now; 0: none. */
uint32_t interface_index(const char *name);

#endif
