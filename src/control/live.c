#include "control/live.h"

#include <stdio.h>
#include <string.h>

#include "control/stream.h"

#define LINES "application/x-ndjson"

static struct reply reply_stream(enum log_tap_hears hears, const struct filter *filter) {
    bool full = false;
    char sentence[64];
    struct stream *stream = stream_new(hears, filter, &full);

    if (stream != NULL)
        return (struct reply){.status = 200, .type = LINES, .stream = stream};
    snprintf(sentence, sizeof(sentence), "%d others listen already", STREAMS_MOST);
    return full ? reply_error(503, sentence) : (struct reply){.body = NULL};
}

struct reply tail_reply(const struct question *question) {
    struct filter filter;
    char why[FILTER_WHY_MAX];

    if (!filter_read(&filter, question->argument, question->arg, why))
        return reply_error(400, why);
    return reply_stream(LOG_TAP_ENDS, &filter);
}

struct reply events_reply(const struct question *question) {
    const char *follow = question->argument(question->arg, "follow");
    struct filter none = {0};

    if (follow != NULL && strcmp(follow, "no") != 0 && strcmp(follow, "yes") != 0)
        return reply_error(400, "follow must be yes or no");
    if (follow == NULL || strcmp(follow, "yes") == 0)
        return reply_stream(LOG_TAP_EVENTS, &none);
    return (struct reply){.status = 200, .type = LINES, .body = log_tap_kept(NULL)};
}
