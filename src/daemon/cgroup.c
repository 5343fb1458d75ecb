#include "daemon/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* What version 1 shows where nothing is set: the greatest number of whole pages, whatever their
 * size. */
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

/* A file that bounds a group, by its controller: that of a version 1 tree, or "" in the one of
 * version 2. */
struct setting {
    const char *controller;
    const char *file;
    bool pids; /* else memory */
};

static const struct setting settings[] = {
    {"", "pids.max", true},     {"pids", "pids.max", true},
    {"", "memory.max", false},  {"memory", "memory.limit_in_bytes", false},
    {"", "memory.high", false},
};

/* Whether a list, as "cpu,cpuacct", has a controller. That of version 2 is empty. */
static bool has_controller(const char *list, const char *controller) {
    size_t len = strlen(controller);

    if (len == 0)
        return list[0] == '\0';
    for (const char *at = list; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == len && memcmp(at, controller, len) == 0)
            return true;
    return false;
}

static int64_t lesser_limit(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The least that a file says, from the group upwards. In a container its group may be the root of
 * what is seen, and is looked at last. */
static int64_t least_of(const struct cgroup_paths *paths, const struct setting *setting,
                        const char *group) {
    const char *slash = setting->controller[0] != '\0' ? "/" : "";
    size_t len = strlen(group);
    int64_t least = CGROUP_UNLIMITED;
    char path[2 * PATH_MAX];

    for (;;) {
        snprintf(path, sizeof(path), "%s%s%s%.*s/%s", paths->tree, slash, setting->controller,
                 (int)len, group, setting->file);
        least = lesser_limit(least, cgroup_number(path));
        if (len == 0)
            return least;
        do
            len--;
        while (len > 0 && group[len] != '/');
    }
}

/* A line is HIERARCHY:CONTROLLER,...:GROUP, or 0::GROUP. */
static void heed_line(const struct cgroup_paths *paths, char *line, struct cgroup_limits *limits) {
    char *list = strchr(line, ':'), *group = list != NULL ? strchr(list + 1, ':') : NULL;

    if (group == NULL)
        return;
    list++;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        int64_t *bound = settings[i].pids ? &limits->pids : &limits->memory;

        if (has_controller(list, settings[i].controller))
            *bound = lesser_limit(*bound, least_of(paths, &settings[i], group));
    }
}

struct cgroup_limits cgroup_limits(const struct cgroup_paths *paths) {
    struct cgroup_limits limits = {.pids = CGROUP_UNLIMITED, .memory = CGROUP_UNLIMITED};
    FILE *list = fopen(paths->self, "re");
    char line[PATH_MAX + 256];

    if (list == NULL)
        return limits;
    while (fgets(line, sizeof(line), list) != NULL)
        heed_line(paths, line, &limits);
    fclose(list);
    return limits;
}
