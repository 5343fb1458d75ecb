/* The tabs of relayctl top, as rows that are sorted and filtered. */
#ifndef RELAYCTL_TOP_TABLE_H
#define RELAYCTL_TOP_TABLE_H

#include "relayctl/grid.h"
#include "relayctl/top_model.h"

#define TOP_COLUMNS 13
#define TOP_CELL    64

#define TOP_RETRANSMITS 11 /* a column of connections, as HELD set by top_complete */

enum top_tab { TOP_SERVERS, TOP_CONNECTIONS, TOP_CLIENTS, TOP_EVENTS, TOP_TABS };

extern const char *const top_tab_names[TOP_TABS];

struct top_column {
    const char *head;
    unsigned width; /* of numbers, at least; 0: what is left, for the last one */
    unsigned rank;  /* where the screen is narrow, those of a high rank go first */
    bool right;
};

struct top_row {
    char cells[TOP_COLUMNS][TOP_CELL];
    double keys[TOP_COLUMNS]; /* by which numbers are sorted; else 0 */
    const char *wide;         /* the last cell, if it may be long; else NULL */
    enum tint tint;
    const json_t *of; /* what it shows; NULL: a sum */
    size_t at;        /* its place in the answer */
};

struct top_table {
    const struct top_column *columns;
    size_t n_columns;
    struct top_row *rows;
    size_t n, room;
};

/* What is shown and how. */
struct top_view {
    enum top_tab tab;
    size_t sort[TOP_TABS]; /* columns */
    bool inverted[TOP_TABS];
    char filter[TOP_CELL]; /* rows without this text are left out */
};

void top_view_init(struct top_view *view);

/* Zeroed before, or made before. Its rows point into the model's answers. */
void top_table_make(struct top_table *table, const struct top_model *model,
                    const struct top_view *view);
/* "192.0.2.1" of "192.0.2.1:80": all connections of a client are one row. */
void top_client_host(const char *client, char host[TOP_CELL]);
void top_table_free(struct top_table *table);

/* Whether a cell has the text, in capitals or not. */
bool top_row_has(const struct top_table *table, const struct top_row *row, const char *text);

#endif
