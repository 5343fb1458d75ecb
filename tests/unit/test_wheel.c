/* base/wheel: the same as a plain search of all that was filed, whatever comes. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/wheel.h"

#define N    500
#define TICK 8192

struct item {
    struct wheel_entry entry; /* first */
    usec_t due;               /* USEC_NEVER: not filed */
};

static struct item items[N];
static struct wheel wheel;

/* Spans of every size: from nothing to some days. */
static usec_t some_span(void) {
    return (usec_t)(random() % 1000) << (random() % 30);
}

static usec_t rounded_up(usec_t due) {
    return (due + TICK - 1) / TICK * TICK;
}

static void file(struct item *item, usec_t due) {
    wheel_file(&wheel, &item->entry, due);
    item->due = due;
    assert_true(wheel_has(&item->entry) == (due != USEC_NEVER));
    if (due == USEC_NEVER)
        return;
    assert_false(wheel_is_later(&item->entry, due));
    if (due >= TICK)
        assert_true(wheel_is_later(&item->entry, due - TICK));
}

/* Takes all that is due, and compares. */
static void advance_to(usec_t now) {
    struct wheel_entry *entry;

    while ((entry = wheel_take(&wheel, now)) != NULL) {
        struct item *item = (struct item *)(void *)entry;

        assert_false(wheel_has(entry));
        assert_true(item->due <= now);
        item->due = USEC_NEVER;
    }
    usec_t first = USEC_NEVER;
    for (size_t i = 0; i < N; i++) {
        assert_true(rounded_up(items[i].due == USEC_NEVER ? now + TICK : items[i].due) > now);
        first = items[i].due < first ? items[i].due : first;
    }
    usec_t next = wheel_next(&wheel);
    if (first == USEC_NEVER)
        assert_true(next == USEC_NEVER);
    else
        assert_in_range(next, now / TICK * TICK, rounded_up(first));
}

static void it_is_as_a_plain_search(void **state) {
    usec_t now = 123456789;

    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        srandom(seed);
        memset(items, 0, sizeof(items));
        wheel_init(&wheel, now);
        for (size_t i = 0; i < N; i++)
            items[i].due = USEC_NEVER;
        for (int round = 0; round < 2000; round++) {
            file(&items[random() % N], random() % 8 == 0 ? USEC_NEVER : now + some_span());
            if (random() % 4 == 0)
                advance_to(now += some_span() >> random() % 20);
        }
        while (wheel_next(&wheel) != USEC_NEVER) /* as a thread would that sleeps in between */
            advance_to(now = wheel_next(&wheel) > now ? wheel_next(&wheel) : now + TICK);
    }
}

static void a_moment_that_is_over_is_due_at_once(void **state) {
    usec_t now = 100 * USEC_PER_SEC;
    struct wheel_entry entry = {.at = 0};

    (void)state;
    wheel_init(&wheel, now);
    wheel_file(&wheel, &entry, now - USEC_PER_SEC);
    assert_true(wheel_next(&wheel) <= now);
    assert_ptr_equal(wheel_take(&wheel, now), &entry);
    wheel_file(&wheel, &entry, 0);
    assert_ptr_equal(wheel_take(&wheel, now), &entry);
    assert_null(wheel_take(&wheel, now));
}

static void what_is_very_far_away_is_filed_as_well(void **state) {
    struct wheel_entry entry = {.at = 0};

    (void)state;
    wheel_init(&wheel, 0);
    wheel_file(&wheel, &entry, USEC_NEVER - 1);
    assert_true(wheel_has(&entry));
    assert_null(wheel_take(&wheel, USEC_PER_SEC));
    wheel_file(&wheel, &entry, USEC_NEVER);
    assert_false(wheel_has(&entry));
    assert_true(wheel_next(&wheel) == USEC_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_a_plain_search),
        cmocka_unit_test(a_moment_that_is_over_is_due_at_once),
        cmocka_unit_test(what_is_very_far_away_is_filed_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
