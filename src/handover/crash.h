/* What this process was doing when it crashed, noted in the table for the next one: else a
 * connection that crashes relayd would be adopted and crash it for ever.
 *
 * A crash is what a process does to itself: a fault, or abort. If another process kills it (an
 * operator, the watchdog), nothing is noted. */
#ifndef HANDOVER_CRASH_H
#define HANDOVER_CRASH_H

#include <stdbool.h>

#include "handover/table.h"

/* From now on notes crashes in this table, once; NULL: no more, before that one is freed. Main. */
void crash_watch(struct table *table);

/* The calling thread works for the connection in this slot, or (CRASH_NOBODY) for none. */
#define CRASH_NOBODY UINT32_MAX
void crash_at(uint32_t slot);

/* Notes one; also for a process that died without a word. */
void crash_note(usec_t crashes[CONN_CRASHES], usec_t now);

/* Whether there were CONN_CRASHES within a minute, the last of them recently. Any numbers will
 * do. */
bool crash_is_often(const usec_t crashes[CONN_CRASHES], usec_t now);

#endif
