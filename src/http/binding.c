#include "http/binding.h"

#include <string.h>

/* Whatever stands around it: who is wrong about that only shares less. */
static bool has_word(const char *bytes, struct http1_span value, const char *word) {
    size_t n = strlen(word);

    for (size_t at = 0; at + n <= value.n; at++)
        if (http1_is(bytes, (struct http1_span){(uint16_t)(value.at + at), (uint16_t)n}, word))
            return true;
    return false;
}

static bool is_of_login(const char *bytes, const struct http1_field *field) {
    return field->known == HTTP1_AUTHORIZATION ||
           (field->known == HTTP1_OTHER && (http1_is(bytes, field->name, "WWW-Authenticate") ||
                                            http1_is(bytes, field->name, "Proxy-Authenticate") ||
                                            http1_is(bytes, field->name, "Proxy-Authorization")));
}

bool http_binds(const char *bytes, const struct http1_head *head) {
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http1_field *field = &head->fields[i];

        if (is_of_login(bytes, field) &&
            (has_word(bytes, field->value, "NTLM") || has_word(bytes, field->value, "Negotiate")))
            return true;
        if (field->known == HTTP1_OTHER && http1_is(bytes, field->name, "Proxy-Support"))
            return true;
    }
    return false;
}
