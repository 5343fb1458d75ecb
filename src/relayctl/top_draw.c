#include "relayctl/top_draw.h"

#include <string.h>
#include <time.h>

#include "base/json_member.h"
#include "base/text.h"
#include "relayctl/connection.h"

#define LINE_MAX_BYTES 1024
#define PICTURE_AT     22 /* columns before it */
#define PICTURES_FROM  14 /* lines of a screen that has room for pictures */

static const char *const keys_help[] = {
    "1-4 Tab   servers, connections, clients, events",
    "up down PgUp PgDn Home End   move",
    "< >       sort by the column to the left or right",
    "I         the other way round",
    "/         search      \\   show only rows with a text",
    "space     tag a connection",
    "k         kill the tagged connections, or the selected one; asks",
    "D         drain the server of the row; asks",
    "b         block the client of the row; asks how long",
    "Enter     details, live: of a connection both sockets and what TCP says",
    "p         pause",
    "d         seconds between looks",
    "q         quit, or back from here"};

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
    char line[LINE_MAX_BYTES], age[32];

    text_human_age(time(NULL) - (time_t)member_number(status, "since"), 2, age, sizeof(age));
    snprintf(line, sizeof(line), "relayd %s  up %s  %lld of %lld connections  keeper: %s",
             member_text(status, "version", "?"), age, member_number(status, "live"),
             member_number(status, "max"), member_text(status, "keeper", "?"));
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
    size_t n = top_past(&state->model, picture, values),
           room = sheet->width > PICTURE_AT ? sheet->width - PICTURE_AT : 0,
           first = n > room ? n - room : 0;

    for (size_t i = first; i < n; i++)
        most = values[i] > most ? values[i] : most;
    if (n > 0 && picture == TOP_BYTES)
        text_human_bytes((uint64_t)values[n - 1], now, sizeof(now));
    else if (n > 0)
        snprintf(now, sizeof(now), "%.1f", values[n - 1]);
    snprintf(line, sizeof(line), "%11s %9s ", names[picture], now);
    for (size_t i = first; i < n; i++) {
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

/* Cut, or filled up with blanks, to so many characters. */
static void append_cell(char line[LINE_MAX_BYTES], unsigned width, bool right, const char *text) {
    unsigned characters = 0;
    size_t used = 0;

    for (; text[used] != '\0'; used++) {
        bool first = ((unsigned char)text[used] & 0xc0) != 0x80;

        if (first && characters == width)
            break;
        characters += first;
    }
    int blanks = (int)(width - characters);
    text_append(line, LINE_MAX_BYTES, "%*s%.*s%*s ", right ? blanks : 0, "", (int)used, text,
                right ? 0 : blanks, "");
}

/* With blanks to the end of the line. */
static void write_full_line(const struct top_sheet *sheet, unsigned row, enum top_ink ink,
                            const char *text) {
    char line[LINE_MAX_BYTES] = "";

    append_cell(line, sheet->width, false, text);
    write_line_at(sheet, row, 0, ink, line);
}

static void draw_heads(const struct top_state *state, const struct top_sheet *sheet, unsigned row,
                       const struct top_layout *layout) {
    const struct top_table *table = &state->table;
    const char *mark = state->view.inverted[state->view.tab] ? "^" : "v";
    char line[LINE_MAX_BYTES] = "  ", head[32];

    for (size_t i = 0; i < table->n_columns; i++) {
        bool sorted = i == state->view.sort[state->view.tab];

        snprintf(head, sizeof(head), "%s%s", table->columns[i].head, sorted ? mark : "");
        if (layout->width[i] > 0)
            append_cell(line, layout->width[i], table->columns[i].right, head);
    }
    write_full_line(sheet, row, INK_HEAD, line);
}

static bool is_tagged(const struct top_state *state, const struct top_row *row) {
    json_int_t id = member_number(row->of, "id");

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

/* What there is to say instead of rows. */
static void draw_emptiness(const struct top_state *state, const struct top_sheet *sheet,
                           unsigned row) {
    static const char *const why[TOP_TABS] = {
        [TOP_SERVERS] = "The configuration has no server, or its names are not resolved yet.",
        [TOP_CONNECTIONS] = "There is no connection at the moment.",
        [TOP_CLIENTS] = "No client is connected, and none was refused since top began.",
        [TOP_EVENTS] = "Nothing has happened since relayd began."};
    char line[LINE_MAX_BYTES];

    snprintf(line, sizeof(line), "No row has \"%s\". \\ and Esc show all again.",
             state->view.filter);
    write_line_at(sheet, row, 2, INK_DIM,
                  state->view.filter[0] != '\0' ? line : why[state->view.tab]);
}

struct top_layout top_layout_on(const struct top_state *state, const struct top_sheet *sheet) {
    return top_layout_of(&state->table, sheet->width > 2 ? sheet->width - 2 : 0);
}

static void draw_rows(struct top_state *state, const struct top_sheet *sheet, unsigned row) {
    const struct top_table *table = &state->table;
    const struct top_layout layout = top_layout_on(state, sheet);
    unsigned room = top_room(sheet);

    draw_heads(state, sheet, row++, &layout);
    if (table->n == 0)
        draw_emptiness(state, sheet, row);
    for (size_t i = state->scroll; i < table->n && i < state->scroll + room; i++, row++) {
        const struct top_row *at = &table->rows[i];
        char line[LINE_MAX_BYTES];

        snprintf(line, sizeof(line), "%s", is_tagged(state, at) ? "* " : "  ");
        for (size_t k = 0; k < table->n_columns; k++)
            if (layout.width[k] > 0)
                append_cell(line, layout.width[k], table->columns[k].right,
                            at->wide != NULL && table->columns[k].width == 0 ? at->wide
                                                                             : at->cells[k]);
        if (i == state->selected)
            write_full_line(sheet, row, INK_SELECTED, line);
        else
            write_line_at(sheet, row, 0, ink_of(at->tint), line);
    }
}

struct detail_lines {
    const struct top_sheet *sheet;
    unsigned row;
};

/* The last line stays for messages. */
static void draw_detail(void *arg, const char *line) {
    struct detail_lines *lines = arg;

    if (lines->row + 1 < lines->sheet->height)
        write_line_at(lines->sheet, lines->row++, 2, INK_PLAIN, line);
}

/* A field of an answer, as people read it. */
static void describe_field(const char *name, json_t *value, char *text, size_t size) {
    size_t n = strlen(name);
    char shown[32],
        *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(4));

    if (n > 3 && strcmp(name + n - 3, "_us") == 0 && json_is_number(value))
        snprintf(text, size, "%s",
                 text_human_time((usec_t)json_number_value(value), shown, sizeof(shown)));
    else if (strcmp(name, "since") == 0 && json_is_number(value))
        snprintf(
            text, size, "%s ago",
            text_human_age(time(NULL) - (time_t)json_number_value(value), 2, shown, sizeof(shown)));
    else
        snprintf(text, size, "%s",
                 json_string_length(value) > 0 ? json_string_value(value)
                 : json_is_string(value)       ? "-"
                 : json_is_null(value)         ? "-"
                 : json_is_true(value)         ? "yes"
                 : json_is_false(value)        ? "no"
                 : json != NULL                ? json
                                               : "");
    free(json);
}

static void draw_details(const struct top_state *state, const struct top_sheet *sheet,
                         unsigned row) {
    struct detail_lines lines = {sheet, row};
    json_t *details = state->details, *value;
    const char *name;

    if (connection_write(details, draw_detail, &lines))
        return;
    json_object_foreach(details, name, value) {
        char line[LINE_MAX_BYTES], text[LINE_MAX_BYTES - 64], head[32];
        size_t n = strlen(name);

        snprintf(head, sizeof(head), "%.*s",
                 (int)(n > 3 && strcmp(name + n - 3, "_us") == 0 ? n - 3 : n), name);
        for (char *c = head; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        describe_field(name, value, text, sizeof(text));
        snprintf(line, sizeof(line), "%-16s %s", head, text);
        draw_detail(&lines, line);
    }
}

/* In the last line, or the last two; without one, the keys. */
static void draw_message(const struct top_state *state, const struct top_sheet *sheet) {
    const char *keys = state->details != NULL || state->help
                           ? "Enter: back"
                           : "? help  < > sort  / search  Enter details  k kill  D drain  b block  "
                             "q quit",
               *message = state->message;
    size_t n = strlen(message), cut = sheet->width;
    char line[sizeof(state->message)];

    if (n > sheet->width && sheet->height > 2) {
        while (cut > 0 && message[cut] != ' ')
            cut--;
        snprintf(line, sizeof(line), "%.*s", (int)cut, message);
        write_full_line(sheet, sheet->height - 2, INK_WARN, line);
        message += cut > 0 ? cut + 1 : 0;
    }
    write_line_at(sheet, sheet->height - 1, 0, n > 0 ? INK_WARN : INK_DIM, n > 0 ? message : keys);
}

void top_draw(struct top_state *state, const struct top_sheet *sheet) {
    bool text = state->help || state->details != NULL; /* instead of the pictures */
    unsigned n_pictures = text ? 0 : pictures(sheet), row = 1 + n_pictures;

    draw_head(state, sheet);
    for (unsigned i = 0; i < n_pictures; i++)
        draw_picture(state, sheet, (enum top_picture)i);
    draw_tabs(state, sheet, row++);
    if (state->help)
        for (size_t i = 0; i < ARRAY_LEN(keys_help); i++)
            write_line_at(sheet, row + 1 + (unsigned)i, 2, INK_PLAIN, keys_help[i]);
    else if (state->details != NULL)
        draw_details(state, sheet, row);
    else
        draw_rows(state, sheet, row);
    if (sheet->height > 1)
        draw_message(state, sheet);
}
