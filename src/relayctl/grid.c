#include "relayctl/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

#define GAP 2

static size_t count_columns(const struct grid *grid) {
    size_t n = 0;

    while (n < GRID_COLUMNS && grid->heads[n] != NULL)
        n++;
    return n;
}

void grid_add(struct grid *grid, const char *const cells[GRID_COLUMNS]) {
    void *rows = grow_list(grid->rows, grid->n, &grid->room, sizeof(*grid->rows));

    if (rows == NULL) {
        grid->failed = true;
        return;
    }
    grid->rows = rows;
    char **row = grid->rows[grid->n++];
    for (size_t i = 0; i < GRID_COLUMNS; i++)
        row[i] = NULL;
    for (size_t i = 0; i < count_columns(grid); i++) {
        row[i] = strdup(cells[i] != NULL ? cells[i] : "");
        grid->failed = grid->failed || row[i] == NULL;
    }
}

static size_t cell_width(const char *cell) {
    return cell != NULL ? strlen(cell) : 0;
}

static void print_row(const struct grid *grid, const size_t *widths, const char *const *cells,
                      FILE *out) {
    size_t blanks = 0; /* not yet printed: none end a line */

    for (size_t i = 0; i < count_columns(grid); i++) {
        size_t width = cell_width(cells[i]), pad = widths[i] - width;

        blanks += (i > 0 ? GAP : 0) + (grid->right[i] ? pad : 0);
        if (width > 0) {
            fprintf(out, "%*s%s", (int)blanks, "", cells[i]);
            blanks = 0;
        } else {
            blanks += width;
        }
        blanks += grid->right[i] ? 0 : pad;
    }
    putc('\n', out);
}

void grid_print(const struct grid *grid, FILE *out) {
    size_t widths[GRID_COLUMNS] = {0};

    for (size_t i = 0; i < count_columns(grid); i++) {
        widths[i] = cell_width(grid->heads[i]);
        for (size_t k = 0; k < grid->n; k++)
            if (cell_width(grid->rows[k][i]) > widths[i])
                widths[i] = cell_width(grid->rows[k][i]);
    }
    print_row(grid, widths, grid->heads, out);
    for (size_t k = 0; k < grid->n; k++)
        print_row(grid, widths, (const char *const *)grid->rows[k], out);
}

void grid_free(struct grid *grid) {
    for (size_t k = 0; k < grid->n; k++)
        for (size_t i = 0; i < GRID_COLUMNS; i++)
            free(grid->rows[k][i]);
    free(grid->rows);
    grid->rows = NULL;
    grid->n = grid->room = 0;
}
