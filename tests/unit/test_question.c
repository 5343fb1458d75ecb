/* Answers: whole, or none. */
#include "unit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "control/kill.h"
#include "control/question.h"

static size_t allocations_left;

static void *scarce_malloc(size_t size) {
    return allocations_left > 0 && allocations_left-- > 0 ? malloc(size) : NULL;
}

/* {"rows": [{"n": 0}, ...], "last": "word"} */
static json_t *make_answer(void) {
    json_t *rows = json_array(), *answer = json_object();

    for (int i = 0; i < 20; i++)
        json_add(&rows, json_pack("{s:i}", "n", i));
    json_put(&answer, "rows", rows);
    json_put(&answer, "last", json_string("word"));
    return answer;
}

static void without_memory_there_is_no_answer(void **state) {
    json_t *answer = make_answer();
    char *whole = json_dumps(answer, 0);
    size_t refused = 0;

    (void)state;
    json_decref(answer);
    json_set_alloc_funcs(scarce_malloc, free);
    for (;; refused++) {
        allocations_left = refused;
        answer = make_answer();
        if (answer != NULL) {
            allocations_left = SIZE_MAX;
            char *text = json_dumps(answer, 0);

            assert_string_equal(text, whole);
            free(text);
            json_decref(answer);
            break;
        }
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(refused > 60); /* a place for each row, its member, its number */
    free(whole);
}

static void nothing_is_added_to_nothing(void **state) {
    json_t *none = NULL;

    (void)state;
    json_add(&none, json_true());
    json_put(&none, "name", json_true());
    assert_null(none);
}

static const char *take_all(void *arg, const char *name) {
    (void)arg;
    return strcmp(name, "all") == 0 ? "yes" : NULL;
}

static void nobody_is_killed_before_all_are_adopted(void **state) {
    struct relay *relay = calloc(1, sizeof(*relay));
    const struct question question = {.relay = relay, .argument = take_all};

    (void)state;
    assert_non_null(relay);
    atomic_store(&relay->adopts, true);
    struct reply reply = kill_reply(&question);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.body, "try again in a moment"));
    free(reply.body);
    free(relay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_killed_before_all_are_adopted),
        cmocka_unit_test(without_memory_there_is_no_answer),
        cmocka_unit_test(nothing_is_added_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
