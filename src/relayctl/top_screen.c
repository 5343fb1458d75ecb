#include "relayctl/top_screen.h"

#include <ctype.h>
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define CTRL_C 3

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

/* no-color.org: NO_COLOR counts unless it is empty. */
static bool begin_colours(void) {
    const char *no = getenv("NO_COLOR");

    if ((no != NULL && no[0] != '\0') || !has_colors() || start_color() == ERR)
        return false;
    (void)use_default_colors();
    init_pair(INK_GOOD, COLOR_GREEN, -1);
    init_pair(INK_WARN, COLOR_YELLOW, -1);
    init_pair(INK_AWAY, COLOR_BLUE, -1);
    init_pair(INK_BAD, COLOR_RED, -1);
    return true;
}

struct terminal {
    bool coloured;
    struct top_sheet sheet;
};

static void draw_terminal(struct top_state *state, struct terminal *terminal) {
    terminal->sheet.width = (unsigned)COLS;
    terminal->sheet.height = (unsigned)LINES;
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

/* Asks in the last line. False: Esc, or nothing was written. */
static bool ask_line(struct top_state *state, struct terminal *terminal, const char *prompt,
                     char *text, size_t size) {
    size_t n = strlen(text);

    timeout(-1);
    for (;;) {
        snprintf(state->message, sizeof(state->message), "%s%s_", prompt, text);
        draw_terminal(state, terminal);
        int key = getch();

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

static bool agrees(struct top_state *state, struct terminal *terminal, const char *question) {
    char prompt[160], answer[8] = "";

    snprintf(prompt, sizeof(prompt), "%s (y or n) ", question);
    return ask_line(state, terminal, prompt, answer, sizeof(answer)) && tolower(answer[0]) == 'y';
}

static const struct top_row *selected_row(const struct top_state *state) {
    return state->selected < state->table.n ? &state->table.rows[state->selected] : NULL;
}

/* Each of the tagged ones, or the selected one. */
static void kill_connections(struct top_state *state, struct terminal *terminal,
                             const struct ask *ask) {
    const struct top_row *row = selected_row(state);
    json_int_t id = row != NULL ? json_integer_value(json_object_get(row->of, "id")) : 0;
    size_t n = state->n_tags > 0 ? state->n_tags : id > 0;
    char question[96], said[sizeof(state->message)] = "", word[48];
    char *words[] = {word};

    if (n == 0)
        return;
    snprintf(question, sizeof(question), "Reset %zu connection%s?", n, n == 1 ? "" : "s");
    if (!agrees(state, terminal, question))
        return;
    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof(word), "id=%lld",
                 (long long)(state->n_tags > 0 ? state->tags[i] : id));
        top_act(ask, "/kill", words, 1, said, sizeof(said));
    }
    state->n_tags = 0;
    snprintf(state->message, sizeof(state->message), "%s", said);
}

static void drain_server(struct top_state *state, struct terminal *terminal,
                         const struct ask *ask) {
    const struct top_row *row = selected_row(state);
    const char *server = row == NULL                          ? ""
                         : state->view.tab == TOP_SERVERS     ? row->cells[0]
                         : state->view.tab == TOP_CONNECTIONS ? row->cells[5]
                                                              : "";
    char question[96], word[96], *words[] = {word};

    snprintf(question, sizeof(question), "Drain %s?", server);
    snprintf(word, sizeof(word), "server=%s", server);
    if (server[0] != '\0' && agrees(state, terminal, question))
        top_act(ask, "/drain", words, 1, state->message, sizeof(state->message));
}

static void block_client(struct top_state *state, struct terminal *terminal,
                         const struct ask *ask) {
    const struct top_row *row = selected_row(state);
    const char *client = row == NULL                          ? ""
                         : state->view.tab == TOP_CLIENTS     ? row->cells[0]
                         : state->view.tab == TOP_CONNECTIONS ? row->cells[3]
                                                              : "";
    char host[TOP_CELL], span[16] = "1h", prompt[128], prefix[80], lasts[32],
                         *words[] = {prefix, lasts};
    const char *colon = strrchr(client, ':');
    size_t n = colon != NULL && state->view.tab == TOP_CONNECTIONS ? (size_t)(colon - client)
                                                                   : strlen(client);
    size_t bracket = client[0] == '[';

    snprintf(host, sizeof(host), "%.*s", (int)(n - 2 * bracket * (n >= 2)), client + bracket);
    snprintf(prompt, sizeof(prompt), "Block %s for how long? ", host);
    if (host[0] == '\0' || !ask_line(state, terminal, prompt, span, sizeof(span)))
        return;
    snprintf(prefix, sizeof(prefix), "prefix=%s", host);
    snprintf(lasts, sizeof(lasts), "for=%s", span);
    top_act(ask, "/block", words, 2, state->message, sizeof(state->message));
}

static void toggle_tag(struct top_state *state) {
    const struct top_row *row = selected_row(state);
    json_int_t id = row != NULL ? json_integer_value(json_object_get(row->of, "id")) : 0;

    state->selected++;
    for (size_t i = 0; i < state->n_tags; i++) {
        if (state->tags[i] != id)
            continue;
        state->tags[i] = state->tags[--state->n_tags];
        return;
    }
    if (id > 0 && state->n_tags < TOP_TAGS)
        state->tags[state->n_tags++] = id;
}

static void search_row(struct top_state *state, struct terminal *terminal) {
    static char wanted[TOP_CELL];

    if (!ask_line(state, terminal, "Search: ", wanted, sizeof(wanted)))
        return;
    for (size_t i = 1; i <= state->table.n; i++) {
        size_t at = (state->selected + i) % state->table.n;

        if (!top_row_has(&state->table, &state->table.rows[at], wanted))
            continue;
        state->selected = at;
        return;
    }
    snprintf(state->message, sizeof(state->message), "No row has this.");
}

static void change_interval(struct top_state *state, struct terminal *terminal) {
    char text[16] = "";

    if (!ask_line(state, terminal, "Seconds between looks: ", text, sizeof(text)))
        return;
    double seconds = strtod(text, NULL);
    state->interval = seconds >= 0.1 && seconds <= 3600 ? seconds : state->interval;
}

static void sort_beside(struct top_state *state, int step) {
    size_t *sort = &state->view.sort[state->view.tab], n = state->table.n_columns;

    *sort = *sort >= n ? 0 : (*sort + n + (size_t)step) % n;
}

/* Of the row, and what relayd says of the connection beyond. */
static void show_details(struct top_state *state) {
    const struct top_row *row = selected_row(state);

    json_decref(state->details);
    state->details = row != NULL && row->of != NULL ? json_deep_copy(row->of) : NULL;
}

static void move_selected(struct top_state *state, const struct terminal *terminal, int key) {
    size_t page = top_room(&terminal->sheet), *at = &state->selected;

    switch (key) {
    case KEY_UP:
        *at -= *at > 0;
        break;
    case KEY_DOWN:
        ++*at;
        break;
    case KEY_PPAGE:
        *at -= *at < page ? *at : page;
        break;
    case KEY_NPAGE:
        *at += page;
        break;
    case KEY_HOME:
        *at = 0;
        break;
    case KEY_END:
        *at = state->table.n;
        break;
    default:
        break;
    }
}

static void choose_tab(struct top_state *state, size_t tab) {
    state->view.tab = (enum top_tab)(tab % TOP_TABS);
    state->selected = state->scroll = 0;
}

static void take_acting_key(struct top_state *state, struct terminal *terminal,
                            const struct ask *ask, int key) {
    switch (key) {
    case 'k':
        kill_connections(state, terminal, ask);
        break;
    case 'D':
        drain_server(state, terminal, ask);
        break;
    case 'b':
        block_client(state, terminal, ask);
        break;
    case '/':
        search_row(state, terminal);
        break;
    case '\\':
        (void)ask_line(state, terminal, "Only rows with: ", state->view.filter,
                       sizeof(state->view.filter));
        break;
    case 'd':
        change_interval(state, terminal);
        break;
    case ' ':
        toggle_tag(state);
        break;
    default:
        move_selected(state, terminal, key);
        break;
    }
}

/* False: quit. */
static bool take_key(struct top_state *state, struct terminal *terminal, const struct ask *ask,
                     int key) {
    bool was_help = state->help || state->details != NULL;

    state->message[0] = '\0';
    state->help = key == '?' || key == 'h' || key == KEY_F(1);
    if (state->details != NULL || key == '\n' || key == '\r' || key == KEY_ENTER) {
        bool close = state->details != NULL;

        json_decref(state->details);
        state->details = NULL;
        if (!close)
            show_details(state);
    }
    if (key == 'q' || key == CTRL_C || key == KEY_F(10))
        return key != 'q' ? false : was_help;
    if (key >= '1' && key < '1' + TOP_TABS)
        choose_tab(state, (size_t)(key - '1'));
    else if (key == '\t')
        choose_tab(state, state->view.tab + 1U);
    else if (key == '<' || key == '>' || key == KEY_LEFT || key == KEY_RIGHT)
        sort_beside(state, key == '<' || key == KEY_LEFT ? -1 : 1);
    else if (key == 'I')
        state->view.inverted[state->view.tab] = !state->view.inverted[state->view.tab];
    else if (key == 'p')
        state->paused = !state->paused;
    else
        take_acting_key(state, terminal, ask, key);
    return true;
}

static void follow_terminal(struct top_state *state, struct terminal *terminal,
                            const struct ask *ask) {
    usec_t next = 0;

    for (;;) {
        usec_t now = clock_now();

        if (now >= next) {
            next = now + (usec_t)(state->interval * (double)USEC_PER_SEC);
            if (!state->paused)
                top_refresh(&state->model, ask);
        }
        top_table_make(&state->table, &state->model, &state->view);
        draw_terminal(state, terminal);
        timeout((int)((next - now) / USEC_PER_MSEC) + 1);
        int key = getch();
        if (key == KEY_RESIZE)
            (void)clearok(curscr, TRUE); /* a terminal keeps of it what it likes */
        else if (key != ERR && !take_key(state, terminal, ask, key))
            return;
    }
}

int top_screen(struct top_state *state, const struct ask *ask, bool utf8) {
    struct terminal terminal = {.sheet = {.utf8 = utf8, .put = put_on_screen}};

    top_refresh(&state->model, ask);
    if (!state->model.answers)
        return ask_complain(ask->socket, "it does not answer");
    if (initscr() == NULL)
        return EX_OSERR;
    terminal.coloured = begin_colours();
    terminal.sheet.arg = &terminal.coloured;
    (void)raw();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    set_escdelay(50);
    follow_terminal(state, &terminal, ask);
    (void)endwin();
    return EX_OK;
}
