#include "tls/certificate_paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/grow.h"
#include "base/text.h"
#include "tls/key_file.h"

void certificate_paths_free(struct certificate_paths *paths) {
    for (size_t i = 0; i < paths->n; i++)
        free(paths->list[i].path);
    free(paths->list);
    *paths = (struct certificate_paths){0};
}

/* Takes the path, NULL included. */
static bool add_path(struct certificate_paths *paths, char *path, size_t value) {
    struct certificate_path *bigger =
        grow_list(paths->list, paths->n, &paths->room, sizeof(*bigger));

    if (bigger != NULL)
        paths->list = bigger;
    if (bigger == NULL || path == NULL) {
        free(path);
        return false;
    }
    bigger[paths->n++] = (struct certificate_path){path, value};
    return true;
}

static bool is_certificate_file(const char *name) {
    return text_before_end(name, ".pem") > 0 || text_before_end(name, ".crt") > 0;
}

/* lego writes the issuer's beside its own, in a file of its own. */
static int is_certificate_or_folder(const struct dirent *entry) {
    const char *name = entry->d_name;

    if (name[0] == '.')
        return 0;
    if (is_certificate_file(name))
        return text_before_end(name, ".issuer.crt") == 0;
    return entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
}

static char *join(const char *folder, const char *name, const char *inner) {
    size_t n = strlen(folder);
    char *path;

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return asprintf(&path, "%.*s/%s%s%s", (int)n, folder, name, inner != NULL ? "/" : "",
                    inner != NULL ? inner : "") < 0
               ? NULL
               : path;
}

static bool is_folder(const char *path) {
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* certbot's folder of one certificate also has cert.pem, chain.pem and privkey.pem. */
static bool is_part_of_certbot(const char *name, bool certbot) {
    return certbot && (strcmp(name, "cert.pem") == 0 || strcmp(name, "chain.pem") == 0 ||
                       strcmp(name, "privkey.pem") == 0);
}

static bool add_entry(struct certificate_paths *paths, const char *folder, const char *name,
                      bool certbot, size_t value) {
    char *path = join(folder, name, NULL), *inner;

    if (path == NULL)
        return false;
    if (!is_folder(path)) {
        bool wanted = is_certificate_file(name) && !is_part_of_certbot(name, certbot);

        if (wanted)
            return add_path(paths, path, value);
        free(path);
        return true;
    }
    free(path);
    inner = join(folder, name, CERTBOT_CHAIN);
    if (inner != NULL && access(inner, F_OK) < 0) {
        free(inner);
        return true;
    }
    return add_path(paths, inner, value);
}

static bool add_folder(struct certificate_paths *paths, const char *folder, size_t value,
                       struct tls_problems *problems) {
    char *chain = join(folder, CERTBOT_CHAIN, NULL);
    bool good = chain != NULL, certbot = good && access(chain, F_OK) == 0;
    size_t before = paths->n;
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_certificate_or_folder, alphasort);

    free(chain);
    if (n < 0) {
        tls_tell(problems, TLS_WRONG, "%s: the folder cannot be read: %s; let user %u read it",
                 folder, strerrordesc_np(errno), (unsigned)geteuid());
        return false;
    }
    for (int i = 0; i < n; i++) {
        good = good && add_entry(paths, folder, entries[i]->d_name, certbot, value);
        free(entries[i]);
    }
    free(entries);
    if (!good)
        tls_tell_no_memory(problems);
    else if (paths->n == before)
        tls_tell(
            problems, TLS_WRONG,
            "%s: there is no certificate in this folder; it must have files such as NAME.pem, or "
            "NAME.crt and NAME.key, or folders with fullchain.pem and privkey.pem",
            folder);
    return good && paths->n > before;
}

bool certificate_paths_find(struct certificate_paths *ret, const char *const *paths, size_t n,
                            struct tls_problems *problems) {
    bool good = true;

    for (size_t i = 0; i < n; i++) {
        problems->value = i;
        if (is_folder(paths[i])) {
            good &= add_folder(ret, paths[i], i, problems);
        } else if (!add_path(ret, strdup(paths[i]), i)) {
            tls_tell_no_memory(problems);
            good = false;
        }
    }
    problems->value = TLS_ONLY_VALUE;
    return good;
}
