/* What relayctl top shows, on a screen of so many characters or as text. */
#ifndef RELAYCTL_TOP_DRAW_H
#define RELAYCTL_TOP_DRAW_H

#include "relayctl/top_layout.h"

enum top_ink { INK_PLAIN, INK_GOOD, INK_WARN, INK_AWAY, INK_BAD, INK_DIM, INK_HEAD, INK_SELECTED };

struct top_sheet {
    unsigned width, height;
    bool utf8;
    /* Writes text, which fits; what was there goes. */
    void (*put)(void *arg, unsigned row, unsigned column, enum top_ink ink, const char *text);
    void *arg;
};

#define TOP_TAGS 64

struct top_state {
    struct top_model model;
    struct top_view view;
    struct top_table table;
    size_t selected, scroll;
    json_int_t tags[TOP_TAGS]; /* connections */
    size_t n_tags;
    bool paused;
    double interval;   /* seconds */
    char message[240]; /* in the last line, or two; "": keys */
    json_t *details;   /* of a row; NULL: the table */
    json_int_t id;     /* of the connection that they are of; 0: none */
    bool help;
    bool stale; /* something was done: to be looked at now */
};

/* The rows that a table can have there. */
unsigned top_room(const struct top_sheet *sheet);

struct top_layout top_layout_on(const struct top_state *state, const struct top_sheet *sheet);

/* The whole screen. */
void top_draw(struct top_state *state, const struct top_sheet *sheet);

#endif
