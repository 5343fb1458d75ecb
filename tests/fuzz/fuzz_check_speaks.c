/* What servers answer to checks that speak: it ends in one outcome, whatever they say and in
 * whatever pieces, and what is told of it is a clause that can be printed. The first byte chooses
 * the type, the second the size of the pieces. */
#include "fuzz.h"

#include <string.h>

#include "base/pattern.h"
#include "health/check.h"

static char user[] = "relayd", send_text[] = "PING\\r\\n", path[] = "/", host[] = "a",
            expect[] = "200-399";

static bool is_printable(const char *why) {
    for (; *why != '\0'; why++)
        if ((unsigned char)*why < ' ' || *why == 0x7f)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const enum check_type types[] = {CHECK_MYSQL, CHECK_POSTGRES, CHECK_REDIS, CHECK_SMTP,
                                            CHECK_TALK,  CHECK_TALK,     CHECK_HTTP,  CHECK_HTTP};
    const char *why;

    if (n < 2)
        return 0;
    size_t which = bytes[0] % ARRAY_LEN(types), step = bytes[1] + 1u;
    struct health_check_config config = {
        .type = (int)types[which],
        .user = user,
        .send = send_text,
        .path = path,
        .host = host,
        .expect = expect,
        .expected = {{200, 399}},
        .n_expected = 1,
    };
    struct check_wish wish = {.config = &config, .strict = which == 6};
    struct check check;
    enum check_outcome outcome = CHECK_UNDER_WAY;

    config.pattern = pattern_new(which == 4 ? "+PONG" : "~^(a|b)*[^c].$", &why);
    CHECK(config.pattern != NULL && check_init(&check, &wish) == 0);
    for (size_t at = 2; at < n; at += step) {
        size_t some = step < n - at ? step : n - at;

        check.said = check.words_length;
        check.heard = true;
        if (outcome == CHECK_UNDER_WAY)
            outcome = check.ops->answer(&check, (const char *)bytes + at, some);
        else if (check.ops->rest == NULL || check.ops->rest(&check, (const char *)bytes + at, some))
            break;
    }
    if (outcome == CHECK_UNDER_WAY)
        outcome = check_late(&check, USEC_PER_SEC);
    CHECK(outcome == CHECK_GOOD || (outcome == CHECK_BAD && check.why[0] != '\0'));
    CHECK(memchr(check.why, '\0', sizeof(check.why)) != NULL && is_printable(check.why));
    check_destroy(&check);
    pattern_free(config.pattern);
    return 0;
}
