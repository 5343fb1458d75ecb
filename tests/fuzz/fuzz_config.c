/* relayd.conf: either a configuration and no error, or errors and none. What it includes is in the
 * folder of the target alone, lest it reads whatever this machine has. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "config/load.h"

static void count(void *arg, const char *sentence) {
    CHECK(sentence[0] != '\0');
    ++*(unsigned *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    unsigned errors = 0;

    if (memmem(bytes, n, "include", strlen("include")) != NULL && memchr(bytes, '/', n) != NULL)
        return 0;
    struct config *config = config_load_buffer("f", (const char *)bytes, n, count, &errors);

    CHECK((config == NULL) == (errors > 0));
    config_unref(config);
    return 0;
}
