#include "daemon/instance.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"

#define SUM_LENGTH 9 /* eight digits and a colon */

/* Appends the parts of a path to another one that has none of "", "." and "..". */
static void append_path(char *path, size_t size, const char *more) {
    size_t used = strlen(path);

    while (*more != '\0') {
        int n = (int)strcspn(more, "/");

        if (n == 2 && strncmp(more, "..", 2) == 0) {
            const char *slash = strrchr(path, '/');

            used = slash != NULL ? (size_t)(slash - path) : 0;
            path[used] = '\0';
        } else if (n > 0 && !(n == 1 && more[0] == '.') && used + (size_t)n + 2 <= size) {
            used += (size_t)snprintf(path + used, size - used, "/%.*s", n, more);
        }
        more += n + (more[n] == '/');
    }
}

static void name_file(const char *file, char *ret_path, size_t size) {
    char folder[PATH_MAX];

    ret_path[0] = '\0';
    if (file[0] != '/' && getcwd(folder, sizeof(folder)) != NULL)
        append_path(ret_path, size, folder);
    append_path(ret_path, size, file);
}

void instance_name(const struct config *config, const char *file, char ret_name[KEEPER_NAME_MAX]) {
    char path[2 * PATH_MAX];
    const char *name = config->global.instance;

    if (name[0] == '\0' && file == NULL)
        name = config->listeners[0].address[0].text;
    if (name[0] == '\0') {
        name_file(file, path, sizeof(path));
        name = path;
    }
    size_t n = strlen(name);
    if (n < KEEPER_NAME_MAX)
        strcpy(ret_name, name);
    else
        snprintf(ret_name, KEEPER_NAME_MAX, "%08x:%s", crc32c(0, name, n),
                 name + n - (KEEPER_NAME_MAX - 1 - SUM_LENGTH));
}
