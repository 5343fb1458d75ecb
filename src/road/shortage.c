#include "road/shortage.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define QUIET_FOR (30 * USEC_PER_SEC)

static const struct {
    int error;
    const char *what; /* is the matter; NULL: as the C library puts it */
    const char *remedy;
} rows[] = {
    {EMFILE, NULL, "raise LimitNOFILE of the unit, or lower max_connections"},
    {ENFILE, NULL, "raise the sysctl fs.file-max: the whole machine is out of descriptors"},
    {ENOBUFS, NULL, "see the sysctl net.ipv4.tcp_mem: the kernel has no memory left for sockets"},
    {ENOMEM, NULL, "lower max_connections, raise MemoryMax or add memory"},
    {EAGAIN, NULL,
     "raise TasksMax of the unit and the sysctls kernel.threads-max and kernel.pid_max"},
    {EADDRNOTAVAIL, "no local port is left",
     "set the sysctl net.ipv4.tcp_tw_reuse = 1, give source_address more addresses of this "
     "machine, widen the sysctl net.ipv4.ip_local_port_range, or add server addresses"},
};

static _Atomic usec_t said[ARRAY_LEN(rows)];

void shortage_log(const char *doing, int error) {
    usec_t now = clock_now();
    struct rlimit files = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        usec_t last = atomic_load(&said[i]);

        if (rows[i].error != error || (last != 0 && now - last < QUIET_FOR))
            continue;
        if (!atomic_compare_exchange_strong(&said[i], &last, now))
            continue;
        getrlimit(RLIMIT_NOFILE, &files);
        log_msg(MSG_EXHAUSTED,
                "relayd could not %s: %s (%s). To cure it, %s. Its descriptor limit is %llu. "
                "Established connections go on.",
                doing, rows[i].what != NULL ? rows[i].what : strerrordesc_np(error),
                strerrorname_np(error), rows[i].remedy, (unsigned long long)files.rlim_cur);
    }
}
