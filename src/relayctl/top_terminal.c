#include "relayctl/top_terminal.h"

#include <ctype.h>
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relayctl/grid.h"

#define WAIT_MOST (200 * USEC_PER_MSEC) /* before a new size of the terminal is seen */

static void put_on_screen(void *arg, unsigned row, unsigned column, enum top_ink ink,
                          const char *text) {
    static const attr_t plain[] = {[INK_BAD] = A_BOLD,
                                   [INK_DIM] = A_DIM,
                                   [INK_HEAD] = A_REVERSE,
                                   [INK_SELECTED] = A_REVERSE | A_BOLD};
    bool coloured = *(bool *)arg && ink >= INK_GOOD && ink <= INK_BAD;

    (void)attr_set(plain[ink], coloured ? (short)ink : 0, NULL);
    (void)mvaddstr((int)row, (int)column, text);
    (void)attr_set(A_NORMAL, 0, NULL);
}

static bool begin_colours(void) {
    if (!grid_has_colour(stdout) || !has_colors() || start_color() == ERR)
        return false;
    (void)use_default_colors();
    init_pair(INK_GOOD, COLOR_GREEN, -1);
    init_pair(INK_WARN, COLOR_YELLOW, -1);
    init_pair(INK_AWAY, COLOR_BLUE, -1);
    init_pair(INK_BAD, COLOR_RED, -1);
    return true;
}

void top_terminal_measure(struct top_terminal *terminal) {
    terminal->sheet.width = (unsigned)COLS;
    terminal->sheet.height = (unsigned)LINES;
}

void top_terminal_draw(struct top_state *state, struct top_terminal *terminal) {
    top_terminal_measure(terminal);
    size_t room = top_room(&terminal->sheet), n = state->table.n;
    if (state->selected >= n)
        state->selected = n > 0 ? n - 1 : 0;
    if (state->selected < state->scroll)
        state->scroll = state->selected;
    if (room > 0 && state->selected >= state->scroll + room)
        state->scroll = state->selected - room + 1;
    erase();
    top_draw(state, &terminal->sheet);
    refresh();
}

int top_terminal_key(struct top_state *state, usec_t until) {
    timeout(0);
    for (;;) {
        int key = getch();
        usec_t now = clock_now();

        if (key != ERR || now >= until)
            return key;
        top_wait(&state->model, STDIN_FILENO,
                 (int)(usec_earlier(until - now, WAIT_MOST) / USEC_PER_MSEC) + 1);
    }
}

bool top_terminal_ask(struct top_state *state, struct top_terminal *terminal, const char *prompt,
                      char *text, size_t size) {
    size_t n = strlen(text);

    for (;;) {
        snprintf(state->message, sizeof(state->message), "%s%s_", prompt, text);
        top_terminal_draw(state, terminal);
        int key = top_terminal_key(state, USEC_NEVER);

        if (key == '\n' || key == KEY_ENTER || key == '\r')
            break;
        if (key == 27 || key == CTRL_C)
            n = 0;
        if (key == 27 || key == CTRL_C || (n == 0 && key == KEY_BACKSPACE))
            text[0] = '\0';
        if (key == 27 || key == CTRL_C)
            break;
        if ((key == KEY_BACKSPACE || key == 127 || key == 8) && n > 0)
            text[--n] = '\0';
        else if (key < 256 && isprint(key) && n + 1 < size) {
            text[n++] = (char)key;
            text[n] = '\0';
        }
    }
    state->message[0] = '\0';
    return text[0] != '\0';
}

bool top_terminal_agrees(struct top_state *state, struct top_terminal *terminal,
                         const char *question) {
    int key;

    do {
        snprintf(state->message, sizeof(state->message), "%s (y or n) ", question);
        top_terminal_draw(state, terminal);
        key = top_terminal_key(state, USEC_NEVER);
    } while (key == KEY_RESIZE);
    state->stale = key == 'y' || key == 'Y';
    snprintf(state->message, sizeof(state->message), "%s", state->stale ? "" : "Nothing was done.");
    return state->stale;
}

bool top_terminal_begin(struct top_terminal *terminal) {
    if (initscr() == NULL)
        return false;
    terminal->coloured = begin_colours();
    terminal->sheet.put = put_on_screen;
    terminal->sheet.arg = &terminal->coloured;
    (void)raw();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    set_escdelay(50);
    return true;
}
