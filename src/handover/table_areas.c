/* The areas of a table: who has which; and which slots anybody may have used. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/foreign.h"
#include "handover/table.h"

/* The next slots whose states lie in pages that are there (lseek(2), SEEK_DATA). */
static bool find_used(const struct table *table, struct table_walk *walk) {
    const size_t size = sizeof(struct conn_state);
    off_t base = (off_t)((const char *)table->states - (const char *)table->head);
    off_t from = base + (off_t)(walk->next * size);
    off_t begin = lseek(table->fd, from, SEEK_DATA), end = -1;

    if (begin < 0 && errno == ENXIO)
        return false;
    if (begin >= 0)
        end = lseek(table->fd, begin, SEEK_HOLE);
    walk->next = (size_t)((begin < 0 ? from : begin) - base) / size;
    walk->end = end < 0 ? table->n : ((size_t)(end - base) + size - 1) / size;
    if (walk->end > table->n)
        walk->end = table->n;
    return walk->next < walk->end;
}

bool table_walk(const struct table *table, struct table_walk *walk, size_t *ret_slot) {
    if (walk->next >= walk->end && !find_used(table, walk))
        return false;
    *ret_slot = walk->next++;
    return true;
}

void *table_area(const struct table *table, uint32_t slot) {
    uint32_t area = table->passages[slot].area;

    return area > 0 && area <= table->n ? table->areas + (area - 1) * TABLE_AREA_SIZE : NULL;
}

bool table_goes_by_steps(const struct table *table, size_t slot) {
    return foreign_is_true(&table->states[slot].by_steps);
}

static bool claims_area(const struct table *table, size_t slot) {
    return atomic_load(&table->states[slot].live) != 0 && table_goes_by_steps(table, slot) &&
           table_area(table, (uint32_t)slot) != NULL;
}

/* Which areas are lent: those of what was found. Before anybody else knows the table. */
void table_find_areas(struct table *table) UNCHECKED {
    struct table_walk walk = {0};
    size_t i;

    while (table_walk(table, &walk, &i)) {
        if (!claims_area(table, i))
            continue;
        struct table_slot *area = &table->slots[table->passages[i].area - 1];
        area->area_claims_left = ++area->area_claims;
    }
    for (i = table->n; i-- > 0;)
        if (table->slots[i].area_claims == 0)
            table->free_areas[table->n_free_areas++] = (uint32_t)i;
}

bool table_area_is_sound(const struct table *table, uint32_t slot) {
    uint32_t area = table->passages[slot].area;

    return area == 0 || (area <= table->n && table->slots[area - 1].area_claims == 1);
}

void *table_lend_area(struct table *table, uint32_t slot) {
    struct passages *passages = &table->passages[slot];

    if (passages->area == 0) {
        lock_acquire(&table->lock);
        CHECK(table->n_free_areas > 0);
        passages->area = table->free_areas[--table->n_free_areas] + 1;
        lock_release(&table->lock);
    }
    return table_area(table, slot);
}

static void free_area(struct table *table, uint32_t area) {
    lock_acquire(&table->lock);
    table->free_areas[table->n_free_areas++] = area;
    lock_release(&table->lock);
}

void table_return_area(struct table *table, uint32_t slot) {
    struct passages *passages = &table->passages[slot];
    uint32_t area = passages->area;

    if (area == 0)
        return;
    passages->area = 0;
    free_area(table, area - 1);
}

void table_give_up(struct table *table, uint32_t slot) {
    if (claims_area(table, slot)) {
        uint32_t area = table->passages[slot].area - 1;

        if (--table->slots[area].area_claims_left == 0)
            free_area(table, area);
    }
    atomic_store(&table->states[slot].live, 0);
    table_erase_passages(table, slot);
}

void table_forget_former(struct table *table) {
    struct table *former = table->former;
    struct table_walk walk = {0};
    size_t i;

    if (former == NULL)
        return;
    while (table_walk(former, &walk, &i))
        if (table_goes_by_steps(former, i))
            explicit_bzero(&former->passages[i], sizeof(former->passages[i]));
    table->former = NULL;
    table_free(former);
}
