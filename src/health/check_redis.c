/* Type redis: a server is up if it answers PING, or wants a password first, or says ERR (PING has
 * another name there; full_note). It is down if it says that it loads its data, is busy, has lost
 * its master or cannot save. (Redis serialization protocol, "Simple errors": the first word, in
 * capitals, is the kind of error.) */
#include <string.h>

#include "health/check.h"

static size_t redis_request(const struct check_wish *wish, char *buf, size_t size) {
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    const size_t n = sizeof(ping) - 1;

    (void)wish;
    if (size > 0)
        memcpy(buf, ping, size < n ? size : n);
    return n;
}

/* The server works, but not for us. */
static bool is_redis_refusal(const char *text, size_t n) {
    static const char *const kinds[] = {"NOAUTH", "NOPERM", "ERR"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strlen(kinds[i]) == n && memcmp(text, kinds[i], n) == 0)
            return true;
    return false;
}

static enum check_outcome judge_redis_error(struct check *check, const char *text) {
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (is_redis_refusal(text, n))
        return CHECK_GOOD;
    return check_bad(check, "the answer is error %.*s", (int)n, text);
}

static enum check_outcome redis_answer(struct check *check, const char *bytes, size_t n) {
    struct answer_line *line = &check->talk.line;

    (void)!answer_line_take(line, bytes, n);
    if (line->n > 0 && line->text[0] != '+' && line->text[0] != '-')
        return check_bad(check, "the answer is not that of Redis");
    if (answer_line_too_long(line))
        return check_bad(check, "the answer is longer than %d bytes", ANSWER_LINES_MAX);
    if (!line->whole)
        return CHECK_UNDER_WAY;
    if (line->n == 0)
        return check_bad(check, "the answer is not that of Redis");
    return line->text[0] == '+' ? CHECK_GOOD : judge_redis_error(check, line->text + 1);
}

const struct check_ops check_redis_ops = {.request = redis_request, .answer = redis_answer};
