/* relayctl/grid: columns as wide as they must be, and no blank at the end of a line. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "relayctl/grid.h"

static void expect_print(struct grid *grid, const char *wanted) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    grid_print(grid, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void numbers_stand_to_the_right(void **state) {
    struct grid grid = {.heads = {"NAME", "N", "WHY"}, .right = {[1] = true}};

    (void)state;
    grid_add(&grid, (const char *[GRID_COLUMNS]){"a", "1"});
    grid_add(&grid, (const char *[GRID_COLUMNS]){"longer", "1000", "so"});
    grid_add(&grid, (const char *[GRID_COLUMNS]){"b"});
    expect_print(&grid,
                 "NAME       N  WHY\n"
                 "a          1\n"
                 "longer  1000  so\n"
                 "b\n");
    assert_false(grid.failed);
    grid_free(&grid);
    grid_free(&grid);
}

static void an_empty_one_has_its_heads(void **state) {
    struct grid grid = {.heads = {"A", "B"}};

    (void)state;
    expect_print(&grid, "A  B\n");
    grid_free(&grid);
}

static void words_go_on_below(void **state) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    (void)state;
    assert_non_null(out);
    grid_print_words("one two  three a-word-without-an-end four", 3, 2, 12, out);
    putc('\n', out);
    grid_print_words("one two", 3, 2, 0, out);
    assert_int_equal(grid_room(out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "one two\n  three\n  a-word-without-an-end\n  four\none two");
    free(text);
}

static void many_rows_fit(void **state) {
    struct grid grid = {.heads = {"A"}};

    (void)state;
    for (int i = 0; i < 1000; i++)
        grid_add(&grid, (const char *[GRID_COLUMNS]){"x"});
    assert_int_equal(grid.n, 1000);
    assert_false(grid.failed);
    grid_free(&grid);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stand_to_the_right),
        cmocka_unit_test(words_go_on_below),
        cmocka_unit_test(an_empty_one_has_its_heads),
        cmocka_unit_test(many_rows_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
