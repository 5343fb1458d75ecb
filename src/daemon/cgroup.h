/* What the cgroup of this process, and all those above it, let it have (cgroups(7)): of the version 2 tree, and of the version
 * 1 trees where those are in use. */
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

/* The least of pids.max: threads and processes. CGROUP_UNLIMITED: none is set. */
int64_t cgroup_pids(const struct cgroup_paths *paths);

/* The same of memory.max, memory.high (version 2) and memory.limit_in_bytes (version 1): bytes, the kernel's memory for sockets
 * and threads among them. */
int64_t cgroup_memory(const struct cgroup_paths *paths);

#endif
