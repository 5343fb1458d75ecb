#include "daemon/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What version 1 shows where nothing is set: the greatest number of whole pages, whatever their size. */
#define V1_UNLIMITED (INT64_MAX - ((int64_t)1 << 20))

const struct cgroup_paths cgroup_paths = {.self = "/proc/self/cgroup", .tree = "/sys/fs/cgroup"};

int64_t cgroup_number(const char *path) {
    FILE *file = fopen(path, "re");
    long long value;

    if (file == NULL)
        return CGROUP_UNLIMITED;
    int n = fscanf(file, "%lld", &value);
    fclose(file);
    return n == 1 && value > 0 && value < V1_UNLIMITED ? value : CGROUP_UNLIMITED;
}

/* The path of this process's group in the tree of a controller of version 1, or ("") of version 2. NULL: there is none. A
 * line is HIERARCHY:CONTROLLER,...:PATH, or 0::PATH. */
static char *take_path(char *line, const char *controller) {
    char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;

    if (path == NULL)
        return NULL;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (controller[0] == '\0')
        return list[1] == '\0' ? path : NULL;
    for (char *rest = list + 1, *name; (name = strsep(&rest, ",")) != NULL;)
        if (strcmp(name, controller) == 0)
            return path;
    return NULL;
}

/* The least that a file says, from the group upwards. In a container its group may be the root of what is seen, and is
 * looked at last. */
static int64_t least_of(const struct cgroup_paths *paths, const char *controller, char *group,
                        const char *file) {
    char path[2 * PATH_MAX], *slash;
    int64_t least = CGROUP_UNLIMITED;

    do {
        snprintf(path, sizeof(path), "%s%s%s%s/%s", paths->tree, controller[0] != '\0' ? "/" : "",
                 controller, group, file);
        int64_t number = cgroup_number(path);

        least = number < least ? number : least;
        slash = strrchr(group, '/');
        if (slash != NULL)
            *slash = '\0';
    } while (slash != NULL);
    return least;
}

static int64_t find_least(const struct cgroup_paths *paths, const char *controller,
                          const char *file) {
    FILE *list = fopen(paths->self, "re");
    int64_t least = CGROUP_UNLIMITED;
    char line[PATH_MAX + 256];

    if (list == NULL)
        return CGROUP_UNLIMITED;
    while (fgets(line, sizeof(line), list) != NULL) {
        char *group = take_path(line, controller);

        if (group != NULL)
            least = least_of(paths, controller, group, file);
    }
    fclose(list);
    return least;
}

static int64_t lesser(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t cgroup_pids(const struct cgroup_paths *paths) {
    return lesser(find_least(paths, "", "pids.max"), find_least(paths, "pids", "pids.max"));
}

int64_t cgroup_memory(const struct cgroup_paths *paths) {
    return lesser(lesser(find_least(paths, "", "memory.max"), find_least(paths, "", "memory.high")),
                  find_least(paths, "memory", "memory.limit_in_bytes"));
}
