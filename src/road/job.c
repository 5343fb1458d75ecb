#include "road/job.h"

void job_give(struct job *to, struct job *job) {
    *to = *job;
    to->has = holdings_take(&job->has);
    job->route = NULL;
}
