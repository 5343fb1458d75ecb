#include "control/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define SENTENCE_MAX 2048

struct reply reply_json(unsigned status, json_t *json) {
    struct reply reply = {.status = status, .type = "application/json"};
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    json_decref(json);
    if (text != NULL && asprintf(&reply.body, "%s\n", text) < 0)
        reply.body = NULL;
    free(text);
    return reply;
}

static void drop_if_failed(json_t **json, int r) {
    if (r == 0)
        return;
    json_decref(*json);
    *json = NULL;
}

void json_add(json_t **json, json_t *item) {
    drop_if_failed(json, json_array_append_new(*json, item));
}

void json_put(json_t **json, const char *name, json_t *item) {
    drop_if_failed(json, json_object_set_new(*json, name, item));
}

struct reply reply_error(unsigned status, const char *sentence) {
    char text[SENTENCE_MAX];

    escape_text(sentence, strlen(sentence), ESCAPE_UNPRINTABLE, text, sizeof(text));
    return reply_json(status, json_pack("{s:s}", "error", text));
}

void reply_close(struct reply *reply, FILE *out, bool whole) {
    whole = whole && !ferror(out);
    if (fclose(out) == 0 && whole)
        return;
    free(reply->body);
    reply->body = NULL;
}
