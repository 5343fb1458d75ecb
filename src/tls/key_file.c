#include "tls/key_file.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define CERTBOT_KEY "privkey.pem"

char *key_file_beside(const char *file, int i) {
    const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
    size_t stem = text_before_end(file, ".crt");
    char *path = NULL;

    if (strcmp(name, CERTBOT_CHAIN) == 0 && i-- == 0)
        return asprintf(&path, "%.*s" CERTBOT_KEY, (int)(name - file), file) < 0 ? NULL : path;
    stem = stem > 0 ? stem : text_before_end(file, ".pem");
    if (stem > 0 && i-- == 0)
        return asprintf(&path, "%.*s.key", (int)stem, file) < 0 ? NULL : path;
    if (i == 0)
        return asprintf(&path, "%s.key", file) < 0 ? NULL : path;
    return NULL;
}
