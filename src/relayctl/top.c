/* relayctl top: with keys, at a terminal, or printed. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "relayctl/commands.h"
#include "relayctl/top_screen.h"

#define WIDTH_UNKNOWN 132 /* of what is no terminal */

static bool writes_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct paper {
    char lines[512][2048];
    unsigned n;
};

static void put_on_paper(void *arg, unsigned row, unsigned column, enum top_ink ink,
                         const char *text) {
    struct paper *paper = arg;
    size_t length = row < 512 ? strlen(paper->lines[row]) : 0;

    (void)ink;
    if (row >= 512)
        return;
    while (length < column)
        paper->lines[row][length++] = ' ';
    snprintf(paper->lines[row] + length, sizeof(paper->lines[row]) - length, "%s", text);
    paper->n = row + 1 > paper->n ? row + 1 : paper->n;
}

/* All of the tab, as a text. */
static void print_paper(struct top_state *state) {
    static struct paper paper;
    const struct top_sheet sheet = {.width = WIDTH_UNKNOWN,
                                    .height = 512,
                                    .utf8 = writes_utf8(),
                                    .put = put_on_paper,
                                    .arg = &paper};

    memset(&paper, 0, sizeof(paper));
    state->selected = SIZE_MAX;
    top_draw(state, &sheet);
    for (unsigned row = 0; row < paper.n && row < sheet.height - 1; row++) {
        size_t length = strlen(paper.lines[row]);

        while (length > 0 && paper.lines[row][length - 1] == ' ')
            length--;
        printf("%.*s\n", (int)length, paper.lines[row]);
        if (length == 0 && row > TOP_PICTURES + 2)
            break;
    }
    (void)fflush(stdout);
}

static int run_batch(struct top_state *state, const struct ask *ask) {
    for (long i = 0; i < ask->rounds; i++) {
        if (i > 0) {
            (void)usleep((useconds_t)(state->interval * 1e6));
            putchar('\n');
        }
        top_refresh(&state->model, ask);
        if (!state->model.answers)
            return EX_UNAVAILABLE;
        top_table_make(&state->table, &state->model, &state->view);
        print_paper(state);
    }
    return EX_OK;
}

int show_top(const struct ask *ask) {
    struct ask quiet = *ask; /* the screen says it */
    struct top_state state = {.interval = 1};

    (void)setlocale(LC_ALL, "");
    quiet.quiet = !ask->batch;
    quiet.rounds = ask->rounds > 0 ? ask->rounds : 1;
    top_view_init(&state.view);
    for (size_t i = 0; i < ask->n_words; i++)
        for (int tab = 0; tab < TOP_TABS; tab++)
            if (strcmp(ask->words[i], top_tab_names[tab]) == 0)
                state.view.tab = (enum top_tab)tab;
    if (ask->n_words > 1 ||
        (ask->n_words == 1 && strcmp(ask->words[0], top_tab_names[state.view.tab]) != 0))
        return wrong_command("top begins with servers, connections, clients or events",
                             ask->words[0]);
    if (!ask->batch && !isatty(STDOUT_FILENO))
        return wrong_command("top needs a terminal; -b prints it once", "");
    int r = ask->batch ? run_batch(&state, &quiet) : top_screen(&state, &quiet, writes_utf8());
    json_decref(state.details);
    top_table_free(&state.table);
    top_forget(&state.model);
    return r;
}
