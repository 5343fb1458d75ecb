/* What the cgroup of this process, and all those above it, let it have (cgroups(7)): of the version
 * 2 tree, and of the version 1 trees where those are in use. */
#ifndef DAEMON_CGROUP_H
#define DAEMON_CGROUP_H

#include <stdint.h>

#define CGROUP_UNLIMITED ((int64_t)INT64_MAX)

/* Where it is told. */
struct cgroup_paths {
    const char *self; /* /proc/self/cgroup */
    const char *tree; /* /sys/fs/cgroup */
};

extern const struct cgroup_paths cgroup_paths;

/* A file with one number, or "max". CGROUP_UNLIMITED: that, or it cannot be read. Any thread. */
int64_t cgroup_number(const char *path);

/* The least threads and processes (pids.max), and the least memory in bytes, the kernel's for
 * sockets and threads among it (memory.max and memory.high of version 2, memory.limit_in_bytes of
 * version 1). CGROUP_UNLIMITED: none is set. */
struct cgroup_limits {
    int64_t pids;
    int64_t memory;
};

/* Reads all of it. Any thread. */
struct cgroup_limits cgroup_limits(const struct cgroup_paths *paths);

#endif
