/* health/agenda: the first is the first, whatever comes, goes and moves. */
#include "unit.h"

#include <stdlib.h>

#include "health/agenda.h"
#include "health/health_target.h"

#define MOST 300

static struct health_target targets[MOST];
static bool there[MOST];

static usec_t first_of_all(void) {
    usec_t first = USEC_NEVER;

    for (size_t i = 0; i < MOST; i++)
        if (there[i] && targets[i].moment < first)
            first = targets[i].moment;
    return first;
}

static void it_keeps_order_under_random_changes(void **state) {
    struct agenda agenda = {0};
    size_t n = 0;

    (void)state;
    srand(1);
    assert_null(agenda_first(&agenda));
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)rand() % MOST;
        usec_t moment = rand() % 1000;

        if (!there[i]) {
            assert_true(agenda_add(&agenda, &targets[i], moment));
            there[i] = true;
            n++;
        } else if (rand() % 3 == 0) {
            agenda_remove(&agenda, &targets[i]);
            there[i] = false;
            n--;
        } else {
            agenda_move(&agenda, &targets[i], moment);
        }
        assert_int_equal(agenda.n, n);
        if (n > 0)
            assert_int_equal(agenda_first(&agenda)->moment, first_of_all());
        for (size_t k = 0; k < n; k++)
            assert_int_equal(agenda.heap[k]->place, k);
    }
    agenda_free(&agenda);
    assert_null(agenda_first(&agenda));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_keeps_order_under_random_changes),
    };

    return cmocka_run_group_tests_name("agenda", tests, NULL, NULL);
}
