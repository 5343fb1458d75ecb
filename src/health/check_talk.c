/* Type talk: a server is up if it answers what is sent, perhaps nothing, as expected. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/escape.h"
#include "base/pattern.h"
#include "health/check.h"

#define SHOWN_BYTES 40 /* of an unexpected answer */

static size_t talk_request(const struct check_wish *wish, char *buf, size_t size) {
    size_t n = 0;

    CHECK(bytes_decode(wish->config->send, buf, size, &n)); /* text_options.c has checked it */
    return n;
}

static enum check_outcome talk_lacks(struct check *check, const char *when) {
    size_t shown = check->kept_n < SHOWN_BYTES ? check->kept_n : SHOWN_BYTES;
    char text[4 * SHOWN_BYTES + 1];

    escape_text(check->kept, shown, ESCAPE_UNPRINTABLE, text, sizeof(text));
    return check_bad(check, "no expected answer %s, but \"%s%s\"", when, text,
                     shown < check->kept_n ? "..." : "");
}

static enum check_outcome talk_answer(struct check *check, const char *bytes, size_t n) {
    if (check->kept == NULL)
        check->kept = calloc(1, CHECK_KEPT_MAX + 1);
    if (check->kept == NULL)
        return CHECK_VOID;
    size_t room = CHECK_KEPT_MAX - check->kept_n;
    memcpy(check->kept + check->kept_n, bytes, n < room ? n : room);
    check->kept_n += n < room ? n : room;
    if (pattern_found(check->wish->config->pattern, check->kept, check->kept_n))
        return CHECK_GOOD;
    return check->kept_n < CHECK_KEPT_MAX ? CHECK_UNDER_WAY : talk_lacks(check, "in 4096 bytes");
}

const struct check_ops check_talk_ops = {
    .request = talk_request, .answer = talk_answer, .lacks = talk_lacks};
