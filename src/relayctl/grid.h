/* Rows of text in columns, each as wide as its widest cell (of 80 columns, where they fit).
 * relayctl's. */
#ifndef RELAYCTL_GRID_H
#define RELAYCTL_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS 12

/* How a cell is written at a terminal. The word in it says the same. */
enum tint { TINT_NONE, TINT_GOOD, TINT_WARN, TINT_AWAY, TINT_BAD };

struct grid_row {
    char *cells[GRID_COLUMNS]; /* in one block, which the first begins */
    enum tint tint;            /* of the cell in the tinted column */
    double key;                /* see grid_sort */
};

struct grid {
    const char *heads[GRID_COLUMNS]; /* as many as there are columns, then NULL */
    bool right[GRID_COLUMNS];        /* numbers stand to the right */
    struct grid_row *rows;
    size_t tinted; /* the column */
    size_t n, room;
    bool failed; /* there was no memory */
};

/* Appends a row of copies, one cell for each column; NULL: "". */
void grid_add(struct grid *grid, const char *const cells[GRID_COLUMNS]);

/* The same, with a tint. */
void grid_add_tinted(struct grid *grid, const char *const cells[GRID_COLUMNS], enum tint tint);

/* Whether tints are written: out is a terminal, and NO_COLOR is not in the environment. */
bool grid_has_colour(FILE *out);

/* Prints the heads and the rows, two blanks between columns, none at the end of a line. At a
 * terminal that is too narrow, a last column without a head stands below its row, there is one
 * blank, and a first cell that is too long has a line of its own: nothing is cut. */
void grid_print(struct grid *grid, FILE *out);

/* Columns of the terminal; 0: it is none, or does not say. */
size_t grid_room(FILE *out);

/* Prints words from this column on; lines end within the room (0: none ends) and go on with an
 * indent. */
void grid_print_words(const char *text, size_t column, size_t indent, size_t room, FILE *out);

/* By the rows' keys, the largest first. */
void grid_sort(struct grid *grid);

void grid_free(struct grid *grid);

#endif
