#include "tls/look.h"

#include "base/text.h"

#define NAMES_TOLD 3

const char *tls_facts_say_names(const struct tls_facts *facts, char *buf, size_t size) {
    size_t shown = facts->n_names < NAMES_TOLD ? facts->n_names : NAMES_TOLD;

    buf[0] = '\0';
    for (size_t i = 0; i < shown; i++)
        text_append(buf, size, "%s%s", i > 0 ? ", " : "", facts->names[i]);
    if (facts->n_names > shown)
        text_append(buf, size, " and %zu more", facts->n_names - shown);
    if (facts->n_names == 0)
        text_append(buf, size, "%s", facts->subject[0] != '\0' ? facts->subject : "no name");
    return buf;
}
