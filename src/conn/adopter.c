#include "conn/adopter.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/stats.h"

bool adopter_give_pumps(struct pump_pool *pumps, struct conn *conn) {
    struct pump_pair *pair;
    int r = pump_pool_get(pumps, &pair);

    if (r == 0) {
        pump_pool_run(pair, conn);
        return true;
    }
    stats_add(STAT_not_adopted, 1);
    conn_abort(conn, END_NOT_ADOPTED, -r); /* its record says the rest */
    conn_unref(conn);
    return false;
}

void adopter_say_unmanned(size_t n) {
    if (n > 0)
        log_msg(MSG_ADOPT_FAILED,
                "%zu adopted connection%s reset: there were no threads left. Raise TasksMax.", n,
                n == 1 ? " was" : "s were");
}

static void give_pumps_to_all(void *arg) {
    struct adopter *adopter = arg;
    size_t unmanned = 0;

    for (size_t i = adopter->next; i < adopter->n; i++)
        unmanned += !adopter_give_pumps(adopter->pumps, adopter->conns[i]);
    adopter_say_unmanned(unmanned);
    free(adopter->conns);
    adopter->conns = NULL;
}

void adopter_begin(struct adopter *adopter, struct pump_pool *pumps, struct conn **conns,
                   size_t next, size_t n) {
    adopter->pumps = pumps;
    adopter->conns = conns;
    adopter->next = next;
    adopter->n = n;
    if (thread_start(&adopter->thread, "adopter", NULL, give_pumps_to_all, adopter) < 0)
        give_pumps_to_all(adopter);
}

void adopter_join(struct adopter *adopter) {
    thread_join(&adopter->thread);
}
