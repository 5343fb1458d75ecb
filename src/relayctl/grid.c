#include "relayctl/grid.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/grow.h"

#define GAP   2
#define PIECE ((size_t)65536) /* bytes that are printed at once */

static size_t count_columns(const struct grid *grid) {
    size_t n = 0;

    while (n < GRID_COLUMNS && grid->heads[n] != NULL)
        n++;
    return n;
}

/* There may be thousands of rows: one block for each. False: no memory. */
static bool copy_cells(const char *const cells[GRID_COLUMNS], size_t n,
                       char *ret_cells[GRID_COLUMNS]) {
    size_t sizes[GRID_COLUMNS], size = 0;

    for (size_t i = 0; i < n; i++)
        size += sizes[i] = (cells[i] != NULL ? strlen(cells[i]) : 0) + 1;
    char *to = malloc(size);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < n; to += sizes[i++])
        ret_cells[i] = memcpy(to, cells[i] != NULL ? cells[i] : "", sizes[i]);
    return true;
}

void grid_add_tinted(struct grid *grid, const char *const cells[GRID_COLUMNS], enum tint tint) {
    void *rows = grow_list(grid->rows, grid->n, &grid->room, sizeof(*grid->rows));

    if (rows == NULL) {
        grid->failed = true;
        return;
    }
    grid->rows = rows;
    struct grid_row *row = &grid->rows[grid->n++];
    *row = (struct grid_row){.tint = tint};
    grid->failed |= !copy_cells(cells, count_columns(grid), row->cells);
}

void grid_add(struct grid *grid, const char *const cells[GRID_COLUMNS]) {
    grid_add_tinted(grid, cells, TINT_NONE);
}

bool grid_has_colour(FILE *out) {
    const char *no = getenv("NO_COLOR");

    return (no == NULL || no[0] == '\0') && isatty(fileno(out)) == 1;
}

static size_t cell_width(const char *cell) {
    return cell != NULL ? strlen(cell) : 0;
}

/* SGR codes; the colours of the terminal's own palette. */
static const char *const tints[] = {[TINT_NONE] = "",
                                    [TINT_GOOD] = "32",
                                    [TINT_WARN] = "33",
                                    [TINT_AWAY] = "34",
                                    [TINT_BAD] = "31"};

static void write_blanks(struct buffer *out, size_t n) {
    char *to = buffer_reserve(out, n);

    if (to != NULL)
        buffer_wrote(out, (char *)memset(to, ' ', n) + n);
}

static void write_grid_cell(struct buffer *out, const char *cell, size_t width, enum tint tint) {
    if (tint != TINT_NONE) {
        buffer_add_text(out, "\033[");
        buffer_add_text(out, tints[tint]);
        buffer_add_text(out, "m");
    }
    buffer_add(out, cell, width);
    if (tint != TINT_NONE)
        buffer_add_text(out, "\033[0m");
}

static void write_grid_row(struct buffer *out, const struct grid *grid, size_t n,
                           const size_t *widths, const char *const *cells, enum tint tint) {
    size_t blanks = 0; /* not yet written: none end a line */

    for (size_t i = 0; i < n; i++) {
        size_t width = cell_width(cells[i]), pad = widths[i] - width;

        blanks += (i > 0 ? GAP : 0) + (grid->right[i] ? pad : 0);
        if (width > 0) {
            write_blanks(out, blanks);
            write_grid_cell(out, cells[i], width, i == grid->tinted ? tint : TINT_NONE);
            blanks = 0;
        }
        blanks += grid->right[i] ? 0 : pad;
    }
    buffer_add(out, "\n", 1);
}

/* There may be thousands of rows: they go out by the piece. */
static void print_piece(struct buffer *text, size_t piece, FILE *out) {
    if (text->n < piece)
        return;
    (void)fwrite(text->bytes, 1, text->n, out);
    text->n = 0;
}

void grid_print(struct grid *grid, FILE *out) {
    size_t widths[GRID_COLUMNS] = {0}, n = count_columns(grid);
    struct buffer text = {0};

    for (size_t i = 0; i < n; i++) {
        widths[i] = cell_width(grid->heads[i]);
        for (size_t k = 0; k < grid->n; k++)
            if (cell_width(grid->rows[k].cells[i]) > widths[i])
                widths[i] = cell_width(grid->rows[k].cells[i]);
    }
    bool colour = grid_has_colour(out);
    write_grid_row(&text, grid, n, widths, grid->heads, TINT_NONE);
    for (size_t k = 0; k < grid->n; k++) {
        write_grid_row(&text, grid, n, widths, (const char *const *)grid->rows[k].cells,
                       colour ? grid->rows[k].tint : TINT_NONE);
        print_piece(&text, PIECE, out);
    }
    print_piece(&text, 1, out);
    grid->failed |= text.failed;
    buffer_free(&text);
}

static int compare_keys(const void *a, const void *b) {
    const struct grid_row *one = a, *other = b;

    return (one->key < other->key) - (one->key > other->key);
}

void grid_sort(struct grid *grid) {
    if (grid->n > 1)
        qsort(grid->rows, grid->n, sizeof(*grid->rows), compare_keys);
}

void grid_free(struct grid *grid) {
    for (size_t k = 0; k < grid->n; k++)
        free(grid->rows[k].cells[0]);
    free(grid->rows);
    grid->rows = NULL;
    grid->n = grid->room = 0;
}
