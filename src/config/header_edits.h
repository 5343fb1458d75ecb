/* Fields of HTTP that the operator sets, adds or takes off: the lists of options such as
 * set_request, and what they mean. Pure; any thread. */
#ifndef CONFIG_HEADER_EDITS_H
#define CONFIG_HEADER_EDITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Texts, as written. */
struct text_list {
    char **texts;
    size_t n;
};

#define HEADER_EDITS_MOST 4096 /* bytes of the lines of one direction */

/* The name of a field that is taken off: in small letters, with "-" for "_". */
struct header_name {
    const char *text; /* in the lines, or in `names` */
    uint16_t n;
};

/* What happens to the fields of one direction. Zeroed: nothing. */
struct header_edits {
    char *lines; /* those that are set and added, in their order, each with CRLF */
    size_t n_lines;
    struct header_name *off; /* names of those that are set or removed */
    size_t n_off;
    uint64_t hints; /* a bit for each of these names (header_edits.c) */
    char *names;    /* their bytes */
    bool sets_host;
};

enum header_option {
    HEADER_SET_REQUEST,
    HEADER_ADD_REQUEST,
    HEADER_REMOVE_REQUEST,
    HEADER_SET_RESPONSE,
    HEADER_ADD_RESPONSE,
    HEADER_REMOVE_RESPONSE,
};

/* Why a text may not stand in the list of this option, in a clause, or NULL. */
const char *header_edits_check(enum header_option option, const char *text);

/* Reads checked lists. NULL; or, in a clause, what is wrong with them together; or
 * HEADER_EDITS_NO_MEMORY. ret is written on success alone, and needs header_edits_free. */
extern const char HEADER_EDITS_NO_MEMORY[];
const char *header_edits_read(const struct text_list *set, const struct text_list *add,
                              const struct text_list *remove, struct header_edits *ret);
void header_edits_free(struct header_edits *edits);

/* Whether fields of this name are taken off. Names are compared without regard to case, and with
 * "_" as "-": to many servers they are the same (CGI, RFC 3875, 4.1.18). */
bool header_edits_take_off(const struct header_edits *edits, const char *name, size_t n);

#endif
