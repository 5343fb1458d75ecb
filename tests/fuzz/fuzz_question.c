/* What strangers ask a site: filters and Host fields, whatever they are, are read or refused. The
 * first byte chooses which argument has the rest. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "control/filter.h"
#include "control/host.h"

struct word {
    const char *name, *value;
};

static const char *find_fuzzed(void *arg, const char *name) {
    const struct word *word = arg;

    return strcmp(word->name, name) == 0 ? word->value : NULL;
}

static void try_filter(const char *name, const char *value) {
    struct word word = {name, value};
    struct addr client = {0};
    struct filter filter;
    char why[FILTER_WHY_MAX] = "";

    if (filter_read(&filter, find_fuzzed, &word, why))
        (void)filter_takes(&filter, "web", "app", "a", &client);
    else
        CHECK(why[0] != '\0' && strlen(why) < sizeof(why));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const names[] = {"listener", "server", "client", "end",
                                        "failed",   "id",     "age",    "rate"};
    static const struct hosts none;
    char *text = n > 0 ? malloc(n) : NULL, *escaped = n > 0 ? malloc(ESCAPE_JSON_MAX * n) : NULL;

    if (text != NULL && escaped != NULL) {
        memcpy(text, bytes + 1, n - 1);
        text[n - 1] = '\0';
        try_filter(names[bytes[0] % ARRAY_LEN(names)], text);
        (void)hosts_have(&none, text);
        CHECK(strpbrk(escape_json(text, escaped, ESCAPE_JSON_MAX * n), "\n\r") == NULL);
    }
    free(text);
    free(escaped);
    return 0;
}
