/* Where a redirect leads: the option as written, and what it means. Pure; any thread. */
#ifndef CONFIG_REDIRECT_H
#define CONFIG_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

#define REDIRECT_MOST 1024 /* bytes of the option */

enum redirect_form {
    REDIRECT_NONE,
    REDIRECT_SCHEME, /* "https": to the host that was asked for, without its port */
    REDIRECT_HOST,   /* "https://host": the path is kept */
    REDIRECT_PREFIX, /* "https://host/prefix/", "/prefix/": the path is put behind it */
    REDIRECT_WHOLE,  /* "https://host/page": to nothing else */
};

struct redirect {
    enum redirect_form form;
    uint16_t
        n; /* bytes of the option that stand in Location, without a "/" at their end but WHOLE */
};

/* Reads a text ("" is none). NULL; or, in a clause, why it leads nowhere. */
const char *redirect_read(const char *text, struct redirect *ret);

#endif
