#include "relayctl/top_layout.h"

#include <string.h>

#define RANKS     9
#define WIDE_MOST 24u /* of a long cell, before other columns go */

/* Characters of UTF-8. */
static unsigned count_characters(const char *text) {
    unsigned n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* As its longest cell, and its head with the mark of the order. Numbers keep a width at least, so
 * that columns stand still. */
static unsigned measure_column(const struct top_table *table, size_t column) {
    const struct top_column *at = &table->columns[column];
    unsigned most = (unsigned)strlen(at->head) + 1;

    most = at->right && at->width > most ? at->width : most;
    for (size_t i = 0; i < table->n; i++) {
        const struct top_row *row = &table->rows[i];
        bool wide = at->width == 0 && row->wide != NULL;
        unsigned n = count_characters(wide ? row->wide : row->cells[column]);

        most = n > most ? n : most;
    }
    return at->width == 0 && most > WIDE_MOST ? WIDE_MOST : most;
}

static unsigned add_widths(const struct top_layout *layout, size_t n) {
    unsigned used = 0;

    for (size_t i = 0; i < n; i++)
        used += layout->width[i] > 0 ? layout->width[i] + 1 : 0;
    return used > 0 ? used - 1 : 0;
}

/* The widest of text is cut first. False: there is none left to cut. */
static bool cut_widest(const struct top_table *table, struct top_layout *layout) {
    size_t widest = SIZE_MAX;

    for (size_t i = 0; i < table->n_columns; i++)
        if (!table->columns[i].right && layout->width[i] > 8 &&
            (widest == SIZE_MAX || layout->width[i] > layout->width[widest]))
            widest = i;
    if (widest == SIZE_MAX)
        return false;
    layout->width[widest]--;
    return true;
}

struct top_layout top_layout_of(const struct top_table *table, unsigned width) {
    struct top_layout layout = {0};
    size_t last = table->n_columns - 1;

    for (size_t i = 0; i < table->n_columns; i++)
        layout.width[i] = measure_column(table, i);
    for (unsigned most = RANKS; most > 0 && add_widths(&layout, table->n_columns) > width; most--)
        for (size_t i = 0; i < table->n_columns; i++)
            if (table->columns[i].rank == most)
                layout.width[i] = 0;
    while (add_widths(&layout, table->n_columns) > width && cut_widest(table, &layout))
        continue;
    unsigned used = add_widths(&layout, table->n_columns);
    if (table->columns[last].width == 0 && layout.width[last] > 0 && used < width)
        layout.width[last] += width - used;
    return layout;
}
