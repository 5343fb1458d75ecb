/* Words of other programs' configurations, for those who come from there. */
#ifndef CONFIG_FOREIGN_H
#define CONFIG_FOREIGN_H

#include "config/options.h"

struct foreign {
    const char *word;
    const char *of; /* "nginx", "HAProxy" or "nginx and HAProxy" */
    const char
        *here; /* what does it in mode http; NULL: the manual has a file of each translated */
};

/* NULL: nobody's word that is known. */
const struct foreign *foreign_find(const char *word);

/* What a word of TLS means in a tls section of this kind: the name of its option there, or a clause
 * that says why there is none. Of one in other sections what a tls section in it would have.
 * relayd's own names, too, of the other kind. NULL: it is not known. */
const char *foreign_find_tls(const char *word, enum option_section here);

#endif
