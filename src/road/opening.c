#include "road/opening.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "road/generation.h"

/* For how long a client has sent nothing: it may have waited in the kernel's backlog. */
static usec_t silent_for(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return 0;
    /* Counted from the handshake until data come. */
    return info.tcpi_last_data_recv * USEC_PER_MSEC;
}

struct opening *opening_new(struct job *job) {
    struct opening *opening = calloc(1, sizeof(*opening));

    if (opening == NULL)
        return NULL;
    opening->limit = limit_ref(job->has.seat.limit);
    opening->deadline = job->record.accepted + job->route->config->opening_timeout;
    job_give(&opening->job, job);
    opening->glimpse = job_glimpse(&opening->job, "opening");
    return opening;
}

void opening_find_ripens(struct opening *opening) {
    if (opening->ripens == 0)
        opening->ripens =
            OPENING_PATIENCE + usec_earlier(opening->job.record.accepted,
                                            clock_now() - silent_for(opening->job.has.client));
}

void opening_return(struct opening *opening, struct job *job) {
    job_give(job, &opening->job);
    opening_free(opening);
}

void opening_free(struct opening *opening) {
    CHECK(opening->job.route == NULL && opening->job.has.client < 0);
    limit_unref(opening->limit);
    free(opening);
}
