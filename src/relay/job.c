#include "relay/job.h"

#include "base/fd.h"

void holdings_give_back(struct holdings *holdings) {
    struct holdings taken = holdings_take(holdings);

    fd_close(&taken.client);
    fd_close(&taken.server);
    line_leave(taken.line, taken.member);
    place_leave(&taken.place);
}

void job_give(struct job *to, struct job *job) {
    *to = *job;
    to->has = holdings_take(&job->has);
    job->route = NULL;
}
