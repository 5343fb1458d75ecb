#include "control/blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/log.h"
#include "base/text.h"
#include "conn/conn.h"
#include "conn/sweep.h"
#include "control/steer.h"
#include "listen/blocks.h"

#define SENTENCE_MAX 512

struct reply blocks_reply(const struct question *question) {
    struct blocked_prefix *rows = calloc(STEERING_BLOCKS, sizeof(*rows));
    size_t n = rows != NULL ? blocks_list(rows) : 0;
    json_t *list = rows != NULL ? json_array() : NULL;
    char text[PREFIX_TEXT_MAX];

    (void)question;
    for (size_t i = 0; i < n; i++)
        json_add(&list, json_pack("{s:s, s:I, s:o, s:I}", "prefix",
                                  prefix_format(&rows[i].prefix, text, sizeof(text)), "since",
                                  (json_int_t)clock_wall(rows[i].since), "until",
                                  rows[i].until != 0 ? json_integer(clock_wall(rows[i].until))
                                                     : json_null(),
                                  "by_uid", (json_int_t)rows[i].by_uid));
    free(rows);
    return reply_json(200, list);
}

/* False: *ret_refusal is the answer. */
static bool read_prefix_argument(const struct question *question, struct prefix *ret,
                                 struct reply *ret_refusal) {
    const char *text = question->argument(question->arg, "prefix"),
               *why = "an address or a prefix is missing, as 192.0.2.0/24";
    char sentence[SENTENCE_MAX];

    if (text != NULL && prefix_parse(text, ret, &why))
        return true;
    snprintf(sentence, sizeof(sentence), "prefix=%.64s: %s", text != NULL ? text : "", why);
    *ret_refusal = steer_refuse(question, 400, sentence);
    return false;
}

struct prefix_count {
    const struct prefix *prefix;
    size_t n;
};

/* As blocks_cover sees clients. */
static void count_of_prefix(void *arg, struct conn *conn) {
    struct prefix_count *count = arg;
    const struct addr *client = &conn->state->record.client;
    struct addr within[EMBEDDED_MOST];
    size_t n = embedded_find(client, within);
    bool is = prefix_has(count->prefix, client);

    for (size_t i = 0; i < n && !is; i++)
        is = prefix_has(count->prefix, &within[i]);
    count->n += is;
}

static size_t count_there(const struct question *question, const struct prefix *prefix) {
    struct prefix_count count = {.prefix = prefix};

    sweep_visit(&question->relay->road.registry, count_of_prefix, &count);
    return count.n;
}

/* All IPv4, or all IPv6, clients. */
static bool is_everybody(const struct prefix *prefix) {
    char text[PREFIX_TEXT_MAX];

    prefix_format(prefix, text, sizeof(text));
    return strcmp(text, "0.0.0.0/0") == 0 || strcmp(text, "::/0") == 0;
}

static struct reply tell_blocked(const struct question *question, const struct prefix *prefix,
                                 usec_t span) {
    char sentence[SENTENCE_MAX], text[PREFIX_TEXT_MAX], span_text[32];
    size_t n = count_there(question, prefix);

    prefix_format(prefix, text, sizeof(text));
    snprintf(sentence, sizeof(sentence), "%s is blocked%s%s", text, span > 0 ? " for " : "",
             span > 0 ? text_format_duration(span, span_text, sizeof(span_text)) : "");
    steer_log(question, NULL, NULL, sentence);
    if (n > 0)
        text_append(sentence, sizeof(sentence),
                    "; %zu connection%s of it %s there: relayctl kill client=%s", n,
                    n == 1 ? "" : "s", n == 1 ? "is" : "are", text);
    return reply_json(200,
                      json_pack("{s:s, s:s, s:I, s:s?}", "prefix", text, "done", sentence,
                                "connections", (json_int_t)n, "caveat", steer_caveat(question)));
}

void blocks_tell_over(void) {
    struct blocked_prefix over;
    char text[PREFIX_TEXT_MAX], span[32];

    while (blocks_forget_over(&over))
        log_msg(MSG_OPERATOR, "%s is not blocked any more: that was for %s, by %suid %u.",
                prefix_format(&over.prefix, text, sizeof(text)),
                text_format_duration((over.until - over.since) / USEC_PER_MSEC * USEC_PER_MSEC,
                                     span, sizeof(span)),
                over.by_uid == 0 ? "root, " : "", over.by_uid);
}

struct reply block_reply(const struct question *question) {
    const char *span_text = question->argument(question->arg, "for"),
               *all = question->argument(question->arg, "all");
    struct prefix prefix;
    struct reply refusal;
    usec_t span = 0;

    if (!read_prefix_argument(question, &prefix, &refusal))
        return refusal;
    if (span_text != NULL && (!text_parse_duration(span_text, &span) || span == 0))
        return steer_refuse(question, 400, "how long is written as 90s, 10m or 1h");
    if (is_everybody(&prefix) && (all == NULL || strcmp(all, "yes") != 0))
        return steer_refuse(question, 400,
                            "that is everybody; relayctl block --yes, or all=yes, means it");
    blocks_tell_over();
    if (span > USEC_NEVER / 2 ||
        !blocks_add(&prefix, span > 0 ? clock_now() + span : 0, question->asker.uid))
        return steer_refuse(question, 507,
                            "1024 prefixes are blocked already: lift some (relayctl unblock)");
    return tell_blocked(question, &prefix, span);
}

struct reply unblock_reply(const struct question *question) {
    char sentence[SENTENCE_MAX], text[PREFIX_TEXT_MAX];
    struct prefix prefix;
    struct reply refusal;

    if (!read_prefix_argument(question, &prefix, &refusal))
        return refusal;
    prefix_format(&prefix, text, sizeof(text));
    if (!blocks_remove(&prefix)) {
        snprintf(sentence, sizeof(sentence),
                 "%s is not blocked, as just this prefix (relayctl blocks lists them)", text);
        return steer_refuse(question, 400, sentence);
    }
    snprintf(sentence, sizeof(sentence), "%s is not blocked any more", text);
    steer_log(question, NULL, NULL, sentence);
    return reply_json(200, json_pack("{s:s, s:s}", "prefix", text, "done", sentence));
}
