#include "control/live.h"

#include <stdio.h>
#include <string.h>

#include "control/stream.h"

#define LINES "application/x-ndjson"

static struct reply reply_stream(const struct stream_wish *wish) {
    bool full = false;
    char sentence[64];
    struct stream *stream = stream_new(wish, &full);

    if (stream != NULL)
        return (struct reply){.status = 200, .type = LINES, .stream = stream};
    snprintf(sentence, sizeof(sentence), "%d others listen already", STREAMS_MOST);
    return full ? reply_error(503, sentence) : (struct reply){.body = NULL};
}

struct reply tail_reply(const struct question *question) {
    struct stream_wish wish;
    char why[FILTER_WHY_MAX];

    if (!filter_read(&wish.filter, question->argument, question->arg, why) ||
        !request_filter_read(&wish.request, question->argument, question->arg, why))
        return reply_error(400, why);
    return reply_stream(&wish);
}

struct reply events_reply(const struct question *question) {
    const char *follow = question->argument(question->arg, "follow");
    const struct stream_wish all = {.request.hears = LOG_TAP_EVENTS};

    if (follow != NULL && strcmp(follow, "no") != 0 && strcmp(follow, "yes") != 0)
        return reply_error(400, "follow must be yes or no");
    if (follow == NULL || strcmp(follow, "yes") == 0)
        return reply_stream(&all);
    return (struct reply){.status = 200, .type = LINES, .body = log_tap_kept(NULL)};
}
