/* Limits of this process's cgroup and of those above it (cgroups(7)), version 2 and version 1. */
#ifndef DAEMON_CGROUP_H
#define DAEMON_CGROUP_H

#include <stdint.h>

#define CGROUP_UNLIMITED ((int64_t)INT64_MAX)

struct cgroup_paths {
    const char *self; /* /proc/self/cgroup */
    const char *tree; /* /sys/fs/cgroup */
};

extern const struct cgroup_paths cgroup_paths;

/* Reads a file with one number. CGROUP_UNLIMITED: "max", or unreadable. Any thread. */
int64_t cgroup_number(const char *path);

/* The lowest limits. pids: pids.max. memory, in bytes, the kernel's for sockets and threads
 * included: memory.max and memory.high (version 2), memory.limit_in_bytes (version 1). */
struct cgroup_limits {
    int64_t pids;
    int64_t memory;
};

/* Any thread. */
struct cgroup_limits cgroup_limits(const struct cgroup_paths *paths);

#endif
