#include "record/bearer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

struct bearer *bearer_new(const struct proxy_certificate *shown) {
    char subject[PROXY_SUBJECT_MAX];

    if (shown == NULL)
        return NULL;
    if (shown->subject[0] == '\0' && shown->n_names > 0)
        escape_text((const char *)shown->names + 1, shown->names[0], ESCAPE_UNPRINTABLE, subject,
                    sizeof(subject));
    else
        escape_text(shown->subject, strlen(shown->subject), ESCAPE_UNPRINTABLE, subject,
                    sizeof(subject));
    struct bearer *bearer = malloc(sizeof(*bearer) + strlen(subject) + 1);
    if (bearer == NULL)
        return NULL;
    memcpy(bearer->fingerprint, shown->fingerprint, sizeof(bearer->fingerprint));
    memcpy(bearer->subject, subject, strlen(subject) + 1);
    return bearer;
}

size_t bearer_size(const struct bearer *bearer) {
    return sizeof(*bearer) + strlen(bearer->subject) + 1;
}

const char *bearer_say_fingerprint(const struct bearer *bearer, char buf[BEARER_FINGERPRINT_TEXT]) {
    for (size_t i = 0; i < sizeof(bearer->fingerprint); i++)
        snprintf(buf + 2 * i, 3, "%02x", bearer->fingerprint[i]);
    return buf;
}

static bool is_fingerprint(const char *fingerprint, const char *wanted) {
    for (; *wanted != '\0'; wanted++)
        if (*wanted != ':' && (*fingerprint == '\0' || tolower((unsigned char)*wanted) !=
                                                           tolower((unsigned char)*fingerprint++)))
            return false;
    return *fingerprint == '\0';
}

/* Where a part of the subject ends. A backslash has the next byte mean itself (RFC 4514, 2.4). */
static size_t part_length(const char *part) {
    size_t n = 0;

    while (part[n] != '\0' && part[n] != ',' && part[n] != '+')
        n += part[n] == '\\' && part[n + 1] != '\0' ? 2 : 1;
    return n;
}

bool bearer_is(const char *subject, const char *fingerprint, const char *wanted) {
    if (wanted[0] == '\0')
        return false;
    if (strcmp(subject, wanted) == 0 || is_fingerprint(fingerprint, wanted))
        return true;
    for (const char *part = subject; *part != '\0';) {
        size_t n = part_length(part);

        if (strncmp(part, wanted, n) == 0 && wanted[n] == '\0')
            return true;
        part += n + (part[n] != '\0');
    }
    return false;
}
