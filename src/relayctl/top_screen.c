#include "relayctl/top_screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/json_member.h"
#include "relayctl/top_terminal.h"

/* Of a row without what a key acts on. */
static void say_where(struct top_state *state, const char *what) {
    snprintf(state->message, sizeof(state->message), "%s", what);
}

static const struct top_row *selected_row(const struct top_state *state) {
    return state->selected < state->table.n ? &state->table.rows[state->selected] : NULL;
}

/* Each of the tagged ones, or the selected one. */
static void kill_connections(struct top_state *state, struct top_terminal *terminal,
                             const struct ask *ask) {
    const struct top_row *row = selected_row(state);
    json_int_t id = row != NULL ? member_number(row->of, "id") : 0;
    size_t n = state->n_tags > 0 ? state->n_tags : id > 0;
    char question[96], said[sizeof(state->message)] = "", word[48];
    char *words[] = {word};

    json_int_t killed = 0;

    if (n == 0) {
        say_where(state, "k kills the selected connection: tab 2 has them.");
        return;
    }
    snprintf(question, sizeof(question), "Reset %zu connection%s?", n, n == 1 ? "" : "s");
    if (!top_terminal_agrees(state, terminal, question))
        return;
    for (size_t i = 0; i < n; i++) {
        snprintf(word, sizeof(word), "id=%lld",
                 (long long)(state->n_tags > 0 ? state->tags[i] : id));
        killed += top_act(ask, "/kill", words, 1, said, sizeof(said));
    }
    state->n_tags = 0;
    if (n > 1 && killed > 0)
        snprintf(said, sizeof(said), "%lld connections are killed.", (long long)killed);
    snprintf(state->message, sizeof(state->message), "%s", said);
}

static void drain_server(struct top_state *state, struct top_terminal *terminal,
                         const struct ask *ask) {
    const struct top_row *row = selected_row(state);
    const char *server = row == NULL                          ? ""
                         : state->view.tab == TOP_SERVERS     ? row->cells[0]
                         : state->view.tab == TOP_CONNECTIONS ? row->cells[5]
                                                              : "";
    char question[96], word[96], *words[] = {word};

    snprintf(question, sizeof(question), "Drain %s?", server);
    snprintf(word, sizeof(word), "server=%s", server);
    if (strchr(server, '/') == NULL)
        say_where(state, "D drains the server of the row: tabs 1 and 2 have some.");
    else if (top_terminal_agrees(state, terminal, question))
        (void)top_act(ask, "/drain", words, 1, state->message, sizeof(state->message));
}

static void block_client(struct top_state *state, struct top_terminal *terminal,
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
    if (host[0] == '\0' || strncmp(client, "unix:", 5) == 0) {
        say_where(state, "b blocks the client of the row, by its address: tabs 2 and 3 have some.");
        return;
    }
    if (!top_terminal_ask(state, terminal, prompt, span, sizeof(span))) {
        say_where(state, "Nothing was done.");
        return;
    }
    state->stale = true;
    snprintf(prefix, sizeof(prefix), "prefix=%s", host);
    snprintf(lasts, sizeof(lasts), "for=%s", span);
    (void)top_act(ask, "/block", words, 2, state->message, sizeof(state->message));
}

static void toggle_tag(struct top_state *state) {
    const struct top_row *row = selected_row(state);
    json_int_t id = row != NULL ? member_number(row->of, "id") : 0;

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

static void search_row(struct top_state *state, struct top_terminal *terminal) {
    char wanted[TOP_CELL] = "";

    if (!top_terminal_ask(state, terminal, "Search: ", wanted, sizeof(wanted)))
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

static void change_interval(struct top_state *state, struct top_terminal *terminal) {
    char text[16] = "";

    if (!top_terminal_ask(state, terminal, "Seconds between looks: ", text, sizeof(text)))
        return;
    double seconds = strtod(text, NULL);
    state->interval = seconds >= 0.1 && seconds <= 3600 ? seconds : state->interval;
}

static void sort_beside(struct top_state *state, int step) {
    size_t *sort = &state->view.sort[state->view.tab], n = state->table.n_columns;

    *sort = *sort >= n ? 0 : (*sort + n + (size_t)step) % n;
}

static void replace_details(struct top_state *state, json_t *details) {
    json_decref(state->details);
    state->details = details;
}

/* Of a connection all that relayd says, else the row. */
static void show_details(struct top_state *state, const struct ask *ask) {
    const struct top_row *row = selected_row(state);

    if (row == NULL || row->of == NULL) {
        say_where(state, "The row is all that there is.");
        return;
    }
    state->id = state->view.tab == TOP_CONNECTIONS ? member_number(row->of, "id") : 0;
    json_t *answer = state->id > 0 ? top_ask_connection(ask, state->id) : NULL;
    state->id = answer != NULL ? state->id : 0;
    replace_details(state, answer != NULL ? answer : json_deep_copy(row->of));
    if (answer == NULL && state->view.tab == TOP_CONNECTIONS)
        say_where(state, "It is not established, or has ended; this is what was seen of it.");
}

static void refresh_details(struct top_state *state, const struct ask *ask) {
    if (state->details == NULL || state->id == 0)
        return;
    json_t *answer = top_ask_connection(ask, state->id);
    if (answer != NULL)
        replace_details(state, answer);
    else
        say_where(state, "It has ended; this is the last that was seen.");
}

/* Cells that cost a question each, of the rows on the screen alone. */
static void complete_rows(struct top_state *state, const struct top_terminal *terminal,
                          const struct ask *ask) {
    const struct top_layout layout = top_layout_on(state, &terminal->sheet);
    size_t room = top_room(&terminal->sheet), asked = 0;

    if (state->view.tab != TOP_CONNECTIONS || layout.width[TOP_RETRANSMITS] == 0)
        return;
    for (size_t i = state->scroll; i < state->table.n && i < state->scroll + room; i++) {
        json_t *connection = json_array_get(state->model.connections, state->table.rows[i].at);

        asked += json_object_get(connection, "held") == NULL;
        top_complete(ask, connection);
    }
    if (asked > 0)
        top_table_make(&state->table, &state->model, &state->view);
}

static void move_selected(struct top_state *state, const struct top_terminal *terminal, int key) {
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

static void take_acting_key(struct top_state *state, struct top_terminal *terminal,
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
        (void)top_terminal_ask(state, terminal, "Only rows with: ", state->view.filter,
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
static bool take_key(struct top_state *state, struct top_terminal *terminal, const struct ask *ask,
                     int key) {
    bool was_help = state->help || state->details != NULL;

    state->message[0] = '\0';
    state->help = key == '?' || key == 'h' || key == KEY_F(1);
    if (state->details != NULL || key == '\n' || key == '\r' || key == KEY_ENTER) {
        bool close = state->details != NULL;

        replace_details(state, NULL);
        if (!close)
            show_details(state, ask);
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

static void follow_terminal(struct top_state *state, struct top_terminal *terminal,
                            const struct ask *ask) {
    usec_t next = 0;

    for (;;) {
        usec_t now = clock_now();

        if (now >= next || state->stale) {
            next = now + (usec_t)(state->interval * (double)USEC_PER_SEC);
            state->stale = false;
            if (!state->paused) {
                top_refresh(&state->model, ask);
                refresh_details(state, ask);
            }
        }
        top_table_make(&state->table, &state->model, &state->view);
        top_terminal_measure(terminal);
        complete_rows(state, terminal, ask);
        top_terminal_draw(state, terminal);
        int key = top_terminal_key(state, next);
        if (key == KEY_RESIZE)
            (void)clearok(curscr, TRUE); /* a terminal keeps of it what it likes */
        else if (key != ERR && !take_key(state, terminal, ask, key))
            return;
    }
}

int top_screen(struct top_state *state, const struct ask *ask, bool utf8) {
    struct top_terminal terminal = {.sheet = {.utf8 = utf8}};

    top_refresh(&state->model, ask);
    if (!state->model.answers)
        return ask_complain(ask->socket, "it does not answer");
    if (!top_terminal_begin(&terminal))
        return EX_OSERR;
    follow_terminal(state, &terminal, ask);
    (void)endwin();
    return EX_OK;
}
