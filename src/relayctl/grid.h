/* Rows of text in columns, each as wide as its widest cell. relayctl's. */
#ifndef RELAYCTL_GRID_H
#define RELAYCTL_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS 10

struct grid {
    const char *heads[GRID_COLUMNS]; /* as many as there are columns, then NULL */
    bool right[GRID_COLUMNS];        /* numbers stand to the right */
    char *(*rows)[GRID_COLUMNS];
    size_t n, room;
    bool failed; /* there was no memory */
};

/* Appends a row of copies, one cell for each column; NULL: "". */
void grid_add(struct grid *grid, const char *const cells[GRID_COLUMNS]);

/* Prints the heads and the rows, two blanks between columns, none at the end of a line. */
void grid_print(const struct grid *grid, FILE *out);

void grid_free(struct grid *grid);

#endif
