/* base/log_tap: who listens gets lines, or is told how many he missed; nobody waits for him. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_line.h"
#include "base/log_tap.h"

/* (It points into itself: there are no copies.) */
static void fill_tap_line(struct log_line *line, enum log_kind kind, const char *text) {
    *line = (struct log_line){.kind = kind};
    log_line_text(line, "%s", text);
    log_line_field(line, "RELAYD_END", "SE");
}

/* All that it has, with NUL; the caller frees it. */
static char *take_all(struct log_tap *tap) {
    char *text = calloc(1, LOG_TAP_ROOM + 1);
    size_t used = 0, n;

    assert_non_null(text);
    while ((n = log_tap_take(tap, text + used, 1000)) > 0)
        used += n;
    return text;
}

static bool wants_none(const void *arg, const struct log_line *line) {
    assert_string_equal(log_line_value(line, "RELAYD_END"), "SE");
    assert_string_equal(log_line_value(line, "RELAYD_EN"), "");
    assert_true(log_line_failed(line));
    return arg != NULL;
}

static void ends_go_to_who_wants_them(void **state) {
    struct log_line end;

    (void)state;
    fill_tap_line(&end, MSG_CONNECTION_FAILED, "over");
    assert_false(log_tap_hears(LOG_TAP_ENDS));
    struct log_tap *all = log_tap_open(LOG_TAP_ENDS, NULL, NULL),
                   *none = log_tap_open(LOG_TAP_ENDS, wants_none, NULL),
                   *events = log_tap_open(LOG_TAP_EVENTS, NULL, NULL);
    assert_true(log_tap_hears(LOG_TAP_ENDS));
    free(take_all(events));
    log_tap_give(&end);
    char *text = take_all(all);
    assert_non_null(strstr(text, "\"message\":\"over\""));
    assert_non_null(strstr(text, "\"end\":\"SE\"}\n"));
    free(text);
    assert_false(log_tap_has(none));
    assert_false(log_tap_has(events));
    log_tap_close(all);
    log_tap_close(none);
    log_tap_close(events);
    assert_false(log_tap_hears(LOG_TAP_ENDS));
}

static void what_finds_no_room_is_counted(void **state) {
    char long_text[600];
    unsigned given = 2000, shown = 0;
    unsigned long long lost = 0;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    struct log_line end;
    fill_tap_line(&end, MSG_CONNECTION, long_text);
    struct log_tap *tap = log_tap_open(LOG_TAP_ENDS, NULL, NULL);
    for (unsigned i = 0; i < given; i++)
        log_tap_give(&end);
    log_tap_lose(5);
    char *text = take_all(tap);
    for (const char *at = text; (at = strstr(at, "xxx\"")) != NULL; at++)
        shown++;
    assert_int_equal(sscanf(strstr(text, "{\"lost\""), "{\"lost\":%llu}\n", &lost), 1);
    assert_int_equal(shown + lost, given + 5);
    assert_in_range(shown, 100, 1000);
    free(text);
    log_tap_close(tap);
}

static bool is_up(enum log_kind kind) {
    return kind == MSG_SERVER_UP;
}

static void the_last_events_are_kept(void **state) {
    char said[32];

    (void)state;
    for (unsigned i = 0; i < 3 * LOG_TAP_KEPT; i++) {
        snprintf(said, sizeof(said), "number %u", i);
        struct log_line line;
        fill_tap_line(&line, i % 2 == 0 ? MSG_SERVER_UP : MSG_SERVER_DOWN, said);
        log_tap_give(&line);
    }
    struct log_line end, flood;
    fill_tap_line(&end, MSG_CONNECTION, "an end");
    fill_tap_line(&flood, MSG_CONNECTIONS_FAILED, "many ends");
    log_tap_give(&end);
    log_tap_give(&flood);
    char *all = log_tap_kept(NULL), *up = log_tap_kept(is_up);
    assert_non_null(strstr(all, "number 200\""));
    assert_null(strstr(all, "number 199\""));
    assert_null(strstr(all, "an end"));
    assert_null(strstr(all, "many ends"));
    assert_non_null(strstr(up, "number 298\""));
    assert_null(strstr(up, "number 299\""));
    struct log_tap *tap = log_tap_open(LOG_TAP_EVENTS, NULL, NULL);
    char *begun = take_all(tap);
    assert_string_equal(begun, all);
    free(all);
    free(up);
    free(begun);
    log_tap_close(tap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_go_to_who_wants_them),
        cmocka_unit_test(what_finds_no_room_is_counted),
        cmocka_unit_test(the_last_events_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
