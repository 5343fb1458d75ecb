#include "relayctl/grid.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/grow.h"

#define GAP         2
#define NOTE_INDENT 4
#define PIECE       ((size_t)65536) /* bytes that are printed at once */

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

/* How a grid is printed: at a terminal that is too narrow, in less room. */
struct layout {
    size_t n; /* columns side by side */
    size_t widths[GRID_COLUMNS];
    size_t gap;
    size_t room; /* of the terminal; 0: no end */
    bool apart;  /* the note is below its row */
};

/* The text, which begins in this column, in lines that end before room; later ones indented. */
static void write_words(struct buffer *out, const char *text, size_t column, size_t indent,
                        size_t room) {
    bool begins = true;

    while (*text != '\0') {
        size_t blanks = strspn(text, " "), word = strcspn(text + blanks, " ");

        if (room > 0 && !begins && column + blanks + word > room) {
            buffer_add(out, "\n", 1);
            write_blanks(out, indent);
            column = indent;
            text += blanks;
            blanks = 0;
        }
        buffer_add(out, text, blanks + word);
        column += blanks + word;
        text += blanks + word;
        begins = false;
    }
}

static void write_grid_row(struct buffer *out, const struct grid *grid, const struct layout *layout,
                           const char *const *cells, enum tint tint) {
    size_t blanks = 0; /* not yet written: none end a line */

    for (size_t i = 0; i < layout->n; i++) {
        size_t width = cell_width(cells[i]);
        bool alone = width > layout->widths[i]; /* the first, on a line of its own */
        size_t pad = alone ? 0 : layout->widths[i] - width;

        blanks += (i > 0 ? layout->gap : 0) + (grid->right[i] ? pad : 0);
        if (width > 0) {
            write_blanks(out, blanks);
            write_grid_cell(out, cells[i], width, i == grid->tinted ? tint : TINT_NONE);
            blanks = 0;
        }
        blanks += grid->right[i] ? 0 : pad;
        if (alone) {
            buffer_add(out, "\n", 1);
            blanks = layout->widths[i];
        }
    }
    buffer_add(out, "\n", 1);
    if (layout->apart && cell_width(cells[layout->n]) > 0) {
        write_blanks(out, NOTE_INDENT);
        write_words(out, cells[layout->n], NOTE_INDENT, NOTE_INDENT, layout->room);
        buffer_add(out, "\n", 1);
    }
}

size_t grid_room(FILE *out) {
    struct winsize size;

    return isatty(fileno(out)) == 1 && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* There may be thousands of rows: they go out by the piece. */
static void print_piece(struct buffer *text, size_t piece, FILE *out) {
    if (text->n < piece)
        return;
    (void)fwrite(text->bytes, 1, text->n, out);
    text->n = 0;
}

void grid_print_words(const char *text, size_t column, size_t indent, size_t room, FILE *out) {
    struct buffer words = {0};

    write_words(&words, text, column, indent, room);
    print_piece(&words, 1, out);
    buffer_free(&words);
}

static size_t total_width(const struct layout *layout) {
    size_t total = 0;

    for (size_t i = 0; i < layout->n; i++)
        total += layout->widths[i] + (i > 0 ? layout->gap : 0);
    return total;
}

/* One after the other, as far as it must be. */
static void make_narrow(const struct grid *grid, struct layout *layout) {
    size_t last = layout->n - 1;

    if (last > 0 && grid->heads[last][0] == '\0') {
        layout->apart = true;
        layout->n--;
    }
    if (total_width(layout) > layout->room)
        layout->gap = 1;
    size_t total = total_width(layout), head = cell_width(grid->heads[0]);
    if (total > layout->room && layout->widths[0] > head) {
        size_t most = layout->widths[0], others = total - most;

        layout->widths[0] = others + head < layout->room ? layout->room - others : head;
    }
}

void grid_print(struct grid *grid, FILE *out) {
    struct buffer text = {0};
    struct layout layout = {.n = count_columns(grid), .gap = GAP, .room = grid_room(out)};

    for (size_t i = 0; i < layout.n; i++) {
        layout.widths[i] = cell_width(grid->heads[i]);
        for (size_t k = 0; k < grid->n; k++)
            if (cell_width(grid->rows[k].cells[i]) > layout.widths[i])
                layout.widths[i] = cell_width(grid->rows[k].cells[i]);
    }
    if (layout.room > 0 && total_width(&layout) > layout.room)
        make_narrow(grid, &layout);
    bool colour = grid_has_colour(out);
    write_grid_row(&text, grid, &layout, grid->heads, TINT_NONE);
    for (size_t k = 0; k < grid->n; k++) {
        write_grid_row(&text, grid, &layout, (const char *const *)grid->rows[k].cells,
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
