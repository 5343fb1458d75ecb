#include "config/credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define PREFIX          "credential:"
#define CREDENTIAL_MOST 65536 /* bytes */

const char CREDENTIAL_NO_MEMORY[] = "out of memory";

const char *credential_name(const char *text) {
    size_t n = strlen(PREFIX);

    return strncmp(text, PREFIX, n) == 0 ? text + n : NULL;
}

static const char *why_unread(int error) {
    switch (error) {
    case ENOENT:
        return "there is no such credential; the unit names its file with LoadCredential=NAME:PATH "
               "(systemctl edit relayd), and a restart brings it";
    case EACCES:
        return "permission denied; this user may not read the credential";
    case EBADF:
        return "the credential is no regular file";
    case EFBIG:
        return "the credential is larger than 65536 bytes";
    case ENOMEM:
        return CREDENTIAL_NO_MEMORY;
    default:
        return "the credential cannot be read";
    }
}

/* Its text, or -errno. */
static int read_secret(const char *path, char **ret_text) {
    char *text = malloc(CREDENTIAL_MOST + 1);
    const char *kind;
    size_t n = 0;
    int r = text == NULL ? -ENOMEM : file_read(path, text, CREDENTIAL_MOST + 1, &n, &kind);

    if (r == 0 && n > CREDENTIAL_MOST)
        r = -EFBIG;
    if (r < 0) {
        free(text);
        return r;
    }
    n -= n > 0 && text[n - 1] == '\n';
    text[n] = '\0';
    *ret_text = text;
    return strlen(text) == n ? 0 : -EILSEQ;
}

const char *credential_path(const char *name, char **ret_path) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return "the name of a credential has no \"/\" and does not begin with \".\"";
    if (folder == NULL || folder[0] != '/')
        return "$CREDENTIALS_DIRECTORY is not set: the service has it if its unit has "
               "LoadCredential=; a check by hand needs the service's, as in "
               "CREDENTIALS_DIRECTORY=/run/credentials/relayd.service relayd -t";
    return asprintf(ret_path, "%s/%s", folder, name) < 0 ? CREDENTIAL_NO_MEMORY : NULL;
}

const char *credential_read(const char *name, char **ret_text) {
    char *path, *text = NULL;
    const char *why = credential_path(name, &path);

    if (why != NULL)
        return why;
    int r = read_secret(path, &text);
    free(path);
    if (r == 0) {
        *ret_text = text;
        return NULL;
    }
    free(text);
    return r == -EILSEQ ? "the credential is no text: a byte of it is 0" : why_unread(-r);
}
