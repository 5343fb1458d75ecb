/* Network interfaces, by name.
 *
 * The kernel renumbers an interface made anew. So a name an operator wrote gets a number of our
 * own, above the kernel's, which stays. Any thread. */
#ifndef BASE_INTERFACE_H
#define BASE_INTERFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

#define INTERFACES_MOST 4096 /* names in the life of the process */

/* Reads what follows the "%" of a link-local address: a name, present or not, or the kernel's
 * number, kept as such. False: *ret_why is a constant clause. */
bool interface_parse(const char *text, uint32_t *ret_number, const char **ret_why) MUST_USE;

/* Of a number of ours; NULL: the kernel's, or 0. */
const char *interface_name(uint32_t number);

/* Our number for the kernel's now; 0: nobody named it. */
uint32_t interface_recall(uint32_t index);

/* The kernel's number now; 0: none. */
uint32_t interface_index(const char *name);

#endif
