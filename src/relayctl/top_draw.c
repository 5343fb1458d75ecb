#include "relayctl/top_draw.h"

#include <string.h>
#include <time.h>

#include "base/text.h"

#define LINE_MAX_BYTES 1024
#define PICTURES_FROM  14 /* lines of a screen that has room for pictures */

static const char *const keys_help[] = {
    "1-4 Tab   servers, connections, clients, events",
    "up down PgUp PgDn Home End   move",
    "< >       sort by the column to the left or right",
    "I         the other way round",
    "/         search      \\   show only rows with a text",
    "space     tag a connection",
    "k         kill the tagged connections, or the selected one; asks",
    "D         drain the server; asks",
    "b         block the client; asks how long",
    "Enter     details     p   pause     d   seconds between looks",
    "q         quit"};

static void write_line_at(const struct top_sheet *sheet, unsigned row, unsigned column,
                          enum top_ink ink, const char *text) {
    char line[LINE_MAX_BYTES];
    size_t used = 0, shown = column;

    if (row >= sheet->height || column >= sheet->width)
        return;
    /* A character of UTF-8 counts once; those of double width are rare in names. */
    while (text[used] != '\0' && used + 5 < sizeof(line)) {
        bool first = ((unsigned char)text[used] & 0xc0) != 0x80;

        if (first && shown == sheet->width)
            break;
        shown += first;
        line[used] = first && !sheet->utf8 && (unsigned char)text[used] >= 0x80 ? '?' : text[used];
        used++;
    }
    line[used] = '\0';
    sheet->put(sheet->arg, row, column, ink, line);
}

static unsigned pictures(const struct top_sheet *sheet) {
    return sheet->height >= PICTURES_FROM ? TOP_PICTURES : 0;
}

unsigned top_room(const struct top_sheet *sheet) {
    unsigned others = 1 + pictures(sheet) + 1 + 1 + 1;

    return sheet->height > others ? sheet->height - others : 0;
}

static void draw_head(const struct top_state *state, const struct top_sheet *sheet) {
    const json_t *status = state->model.status;
    const char *version = json_string_value(json_object_get(status, "version")),
               *keeper = json_string_value(json_object_get(status, "keeper"));
    char line[LINE_MAX_BYTES], age[32];

    text_human_time((time(NULL) - (time_t)json_integer_value(json_object_get(status, "since"))) *
                        USEC_PER_SEC,
                    age, sizeof(age));
    snprintf(line, sizeof(line), "relayd %s  up %s  %lld of %lld connections  keeper: %s",
             version != NULL ? version : "?", age,
             (long long)json_integer_value(json_object_get(status, "live")),
             (long long)json_integer_value(json_object_get(status, "max")),
             keeper != NULL ? keeper : "?");
    write_line_at(sheet, 0, 0, state->model.answers ? INK_PLAIN : INK_BAD,
                  state->model.answers ? line : "relayd does not answer; asking again");
    if (state->paused && sheet->width > 8)
        write_line_at(sheet, 0, sheet->width - 8, INK_WARN, " PAUSED ");
}

static void draw_picture(const struct top_state *state, const struct top_sheet *sheet,
                         enum top_picture picture) {
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char ascii[] = " .:-=+*#@";
    static const char *const names[] = {"new/s", "bytes/s", "refused/min"};
    double values[TOP_POINTS], most = 0;
    char line[LINE_MAX_BYTES], now[32] = "-";
    size_t n = top_past(&state->model, picture, values);

    for (size_t i = 0; i < n; i++)
        most = values[i] > most ? values[i] : most;
    if (n > 0 && picture == TOP_BYTES)
        text_human_bytes((uint64_t)values[n - 1], now, sizeof(now));
    else if (n > 0)
        snprintf(now, sizeof(now), "%.1f", values[n - 1]);
    snprintf(line, sizeof(line), "%11s %9s ", names[picture], now);
    for (size_t i = 0; i < n; i++) {
        size_t level = most > 0 ? (size_t)(values[i] / most * 8 + 0.5) : 0;

        text_append(line, sizeof(line), "%.*s", sheet->utf8 ? 4 : 1,
                    sheet->utf8 ? blocks[level] : &ascii[level]);
    }
    write_line_at(sheet, 1 + picture, 0, picture == TOP_REFUSED && most > 0 ? INK_BAD : INK_GOOD,
                  line);
}

static void draw_tabs(const struct top_state *state, const struct top_sheet *sheet, unsigned row) {
    unsigned column = 0;
    char text[TOP_CELL + 32];

    for (size_t i = 0; i < TOP_TABS; i++) {
        snprintf(text, sizeof(text), " %zu %s ", i + 1, top_tab_names[i]);
        write_line_at(sheet, row, column, i == state->view.tab ? INK_SELECTED : INK_DIM, text);
        column += (unsigned)strlen(text) + 1;
    }
    if (state->view.filter[0] != '\0') {
        snprintf(text, sizeof(text), " only: %s ", state->view.filter);
        write_line_at(sheet, row, column, INK_WARN, text);
    }
}

/* Which columns there is room for. */
static void choose_columns(const struct top_table *table, unsigned width, bool ret_shown[]) {
    for (unsigned most = 9;; most--) {
        unsigned used = 0;

        for (size_t i = 0; i < table->n_columns; i++) {
            unsigned wants = table->columns[i].width > 0 ? table->columns[i].width : 12;

            ret_shown[i] = table->columns[i].rank <= most;
            used += ret_shown[i] ? wants + 1 : 0;
        }
        if (used <= width + 1 || most == 0)
            return;
    }
}

static void append_cell(char line[LINE_MAX_BYTES], const struct top_column *column,
                        const char *text) {
    int width = (int)column->width;

    if (width == 0)
        text_append(line, LINE_MAX_BYTES, "%s", text);
    else if (column->right)
        text_append(line, LINE_MAX_BYTES, "%*.*s ", width, width, text);
    else
        text_append(line, LINE_MAX_BYTES, "%-*.*s ", width, width, text);
}

static void draw_heads(const struct top_state *state, const struct top_sheet *sheet, unsigned row,
                       const bool shown[]) {
    const struct top_table *table = &state->table;
    char line[LINE_MAX_BYTES] = "  ", head[32];

    for (size_t i = 0; i < table->n_columns; i++) {
        bool sorted = i == state->view.sort[state->view.tab];

        snprintf(head, sizeof(head), "%s%s", table->columns[i].head,
                 !sorted                                 ? ""
                 : state->view.inverted[state->view.tab] ? "^"
                                                         : "v");
        if (shown[i])
            append_cell(line, &table->columns[i], head);
    }
    for (size_t used = strlen(line); used < sheet->width && used + 1 < sizeof(line); used++)
        line[used] = ' ', line[used + 1] = '\0';
    write_line_at(sheet, row, 0, INK_HEAD, line);
}

bool top_is_tagged(const struct top_state *state, const struct top_row *row) {
    json_int_t id = json_integer_value(json_object_get(row->of, "id"));

    for (size_t i = 0; id > 0 && i < state->n_tags; i++)
        if (state->tags[i] == id)
            return true;
    return false;
}

static enum top_ink ink_of(enum tint tint) {
    static const enum top_ink inks[] = {[TINT_NONE] = INK_PLAIN,
                                        [TINT_GOOD] = INK_GOOD,
                                        [TINT_WARN] = INK_WARN,
                                        [TINT_AWAY] = INK_AWAY,
                                        [TINT_BAD] = INK_BAD};

    return inks[tint];
}

static void draw_rows(struct top_state *state, const struct top_sheet *sheet, unsigned row) {
    const struct top_table *table = &state->table;
    unsigned room = top_room(sheet);
    bool shown[TOP_COLUMNS];

    choose_columns(table, sheet->width > 2 ? sheet->width - 2 : 0, shown);
    draw_heads(state, sheet, row++, shown);
    for (size_t i = state->scroll; i < table->n && i < state->scroll + room; i++, row++) {
        const struct top_row *at = &table->rows[i];
        char line[LINE_MAX_BYTES];

        snprintf(line, sizeof(line), "%s", top_is_tagged(state, at) ? "* " : "  ");
        for (size_t k = 0; k < table->n_columns; k++)
            if (shown[k])
                append_cell(line, &table->columns[k],
                            at->wide != NULL && table->columns[k].width == 0 ? at->wide
                                                                             : at->cells[k]);
        write_line_at(sheet, row, 0, i == state->selected ? INK_SELECTED : ink_of(at->tint), line);
    }
}

static void draw_details(const struct top_state *state, const struct top_sheet *sheet,
                         unsigned row) {
    const char *name;
    json_t *value;
    json_t *details = state->details;

    json_object_foreach(details, name, value) {
        char line[LINE_MAX_BYTES], *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        const char *text = json_string_value(value);

        snprintf(line, sizeof(line), "  %-16s %s", name,
                 text != NULL    ? text
                 : shown != NULL ? shown
                                 : "");
        write_line_at(sheet, row++, 0, INK_PLAIN, line);
        free(shown);
    }
}

void top_draw(struct top_state *state, const struct top_sheet *sheet) {
    unsigned row = 1 + pictures(sheet);

    draw_head(state, sheet);
    for (int i = 0; i < (int)pictures(sheet); i++)
        draw_picture(state, sheet, (enum top_picture)i);
    draw_tabs(state, sheet, row++);
    if (state->help)
        for (size_t i = 0; i < ARRAY_LEN(keys_help); i++)
            write_line_at(sheet, row + (unsigned)i, 2, INK_PLAIN, keys_help[i]);
    else if (state->details != NULL)
        draw_details(state, sheet, row);
    else
        draw_rows(state, sheet, row);
    if (sheet->height > 1)
        write_line_at(
            sheet, sheet->height - 1, 0, state->message[0] != '\0' ? INK_WARN : INK_DIM,
            state->message[0] != '\0'
                ? state->message
                : "? help  < > sort  / search  \\ filter  k kill  D drain  b block  q quit");
}
