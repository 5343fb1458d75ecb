/* Addresses and prefixes as an operator writes them: what is read is written as something that
 * reads the same. */
#include "fuzz.h"

#include <string.h>

#include "base/addr.h"
#include "base/prefix.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    struct addr_spec spec, again;
    struct prefix prefix = {.bits = 0};
    char text[512], written[ADDR_TEXT_MAX];
    const char *why = NULL;

    if (n >= sizeof(text))
        return 0;
    memcpy(text, bytes, n);
    text[n] = '\0';
    if (!addr_parse(text, &spec, &why)) {
        CHECK(why != NULL);
    } else if (spec.form == ADDR_LITERAL) {
        addr_format(&spec.addr, written, sizeof(written));
        /* (A path with a blank, or with what cannot be printed, is shown with escapes.) */
        CHECK(strchr(written, '\\') != NULL || addr_parse(written, &again, &why));
    }
    if (prefix_parse(text, &prefix, &why))
        CHECK(prefix.bits <= 128);
    return 0;
}
