/* Type smtp: a server is up if it greets with 220 (RFC 5321, 4.2). The check says QUIT, lest the
 * server logs a lost connection. */
#include "health/check.h"

/* The code of a line, or -1. *ret_last: the reply ends with it (RFC 5321, 4.2.1). */
static int read_smtp_code(const char *text, bool *ret_last) {
    for (size_t i = 0; i < 3; i++)
        if (text[i] < '0' || text[i] > '9')
            return -1;
    *ret_last = text[3] == ' ' || text[3] == '\0';
    if (!*ret_last && text[3] != '-')
        return -1;
    return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

static enum check_outcome judge_greeting_line(struct check *check, const char *text) {
    static const char quit[] = "QUIT\r\n";
    bool last = false;
    int code = read_smtp_code(text, &last);

    if (code < 0)
        return check_bad(check, "the answer is not SMTP");
    if (!last)
        return CHECK_UNDER_WAY;
    check_say(check, quit, sizeof(quit) - 1);
    return code == 220 ? CHECK_GOOD : check_bad(check, "the greeting is %03d", code);
}

static enum check_outcome smtp_answer(struct check *check, const char *bytes, size_t n) {
    struct answer_line *line = &check->talk.line;
    enum check_outcome outcome = CHECK_UNDER_WAY;

    for (size_t used = 0; used < n && outcome == CHECK_UNDER_WAY;) {
        used += answer_line_take(line, bytes + used, n - used);
        if (line->whole)
            outcome = judge_greeting_line(check, line->text);
        else if (answer_line_too_long(line))
            outcome = check_bad(check, "the greeting is longer than %d bytes", ANSWER_LINES_MAX);
    }
    return outcome;
}

const struct check_ops check_smtp_ops = {.answer = smtp_answer};
