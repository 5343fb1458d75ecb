/* The terminal of relayctl top, by ncurses: what is on it, and what is typed there. */
#ifndef RELAYCTL_TOP_TERMINAL_H
#define RELAYCTL_TOP_TERMINAL_H

#include "relayctl/top_draw.h"

#define CTRL_C 3

struct top_terminal {
    bool coloured;
    struct top_sheet sheet;
};

/* sheet.utf8 is set before. endwin(3) ends it. False: there is no terminal. */
bool top_terminal_begin(struct top_terminal *terminal);

/* Its size goes to the sheet. */
void top_terminal_measure(struct top_terminal *terminal);

/* All anew, with the selected row on the screen. */
void top_terminal_draw(struct top_state *state, struct top_terminal *terminal);

/* ERR: no key until then. Refusals are counted meanwhile. */
int top_terminal_key(struct top_state *state, usec_t until);

/* Asks in the last line; text is what is there, and what was typed. False: Esc, or nothing. */
bool top_terminal_ask(struct top_state *state, struct top_terminal *terminal, const char *prompt,
                      char *text, size_t size);

/* By one key. If so, the state is stale; else the message says that nothing was done. */
bool top_terminal_agrees(struct top_state *state, struct top_terminal *terminal,
                         const char *question);

#endif
