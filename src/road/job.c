#include "road/job.h"

#include <string.h>

void job_give(struct job *to, struct job *job) {
    *to = *job;
    to->has = holdings_take(&job->has);
    job->route = NULL;
    job->wanted = job->mute = NULL;
}

struct glimpse job_glimpse(const struct job *job, const char *phase) {
    const struct record *record = &job->record;
    struct glimpse glimpse = {.phase = phase,
                              .number = record->number,
                              .accepted = record->accepted,
                              .client = record->client};

    memcpy(glimpse.listener, record->listener, sizeof(glimpse.listener));
    memcpy(glimpse.upstream, record->upstream, sizeof(glimpse.upstream));
    return glimpse;
}
