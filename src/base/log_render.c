/* What a line on stderr looks like. The line's texts are printable UTF-8 (log_line_text). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log_line.h"

static const struct level_look {
    const char *name;
    const char *prefix; /* where the level is not named else */
    const char *colour; /* SGR, ECMA-48, 8.3.117 */
} level_looks[] = {
    [LOG_LEVEL_ERROR] = {"error", "error: ", "\033[1;31m"},
    [LOG_LEVEL_WARNING] = {"warning", "warning: ", "\033[33m"},
    [LOG_LEVEL_NOTICE] = {"notice", "", "\033[36m"},
    [LOG_LEVEL_INFO] = {"info", "", ""},
    [LOG_LEVEL_DEBUG] = {"debug", "", "\033[2m"},
};

/* The line so far. What does not fit (LOG_LINE_SIZE: everything does) is cut. */
struct rendering {
    char *buf;
    size_t used;
};

static size_t room_left(const struct rendering *out) {
    return LOG_LINE_SIZE - 1 - out->used; /* but the newline */
}

static void put(struct rendering *out, const char *text) {
    size_t n = strlen(text);

    if (n > room_left(out))
        n = room_left(out);
    memcpy(out->buf + out->used, text, n);
    out->used += n;
}

static void put_escaped(struct rendering *out, const char *text, enum escape what) {
    escape_text(text, strlen(text), what, out->buf + out->used, room_left(out));
    out->used += strlen(out->buf + out->used);
}

static void put_string(struct rendering *out, const char *text) {
    put(out, "\"");
    escape_json(text, out->buf + out->used, room_left(out));
    out->used += strlen(out->buf + out->used);
    put(out, "\"");
}

static void put_member(struct rendering *out, const char *name, const char *value) {
    put(out, ",");
    put_string(out, name);
    put(out, ":");
    put_string(out, value);
}

/* RELAYD_BYTES_UP is bytes_up. */
static void put_field_name(struct rendering *out, const char *field, size_t n) {
    static const char prefix[] = "RELAYD_";
    size_t skip = strncmp(field, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;

    put(out, ",\"");
    for (size_t i = skip; i < n; i++)
        put(out,
            (char[]){field[i] >= 'A' && field[i] <= 'Z' ? (char)(field[i] - 'A' + 'a') : field[i],
                     '\0'});
    put(out, "\":");
}

/* RFC 3339, in UTC. */
static void put_time(struct rendering *out, int64_t realtime_usec) {
    time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
    char text[64];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%06dZ", (int)(realtime_usec % USEC_PER_SEC));
    put(out, text);
}

static void render_json(struct rendering *out, const struct log_line *line) {
    const struct log_kind_info *info = &log_kind_infos[line->kind];

    put(out, "{\"time\":\"");
    put_time(out, line->realtime_usec);
    put(out, "\"");
    put_member(out, "level", level_looks[info->level].name);
    put_member(out, "message", line->text);
    put_member(out, "message_id", info->id);
    for (size_t i = 0; i < line->n_fields; i++) {
        const char *field = line->fields[i].text, *value = strchr(field, '=') + 1;

        put_field_name(out, field, (size_t)(value - 1 - field));
        if (line->fields[i].number)
            put(out, value);
        else
            put_string(out, value);
    }
    put(out, "}");
}

static void render_text(struct rendering *out, const struct log_line *line) {
    put_time(out, line->realtime_usec);
    put(out, " ");
    put(out, level_looks[log_kind_infos[line->kind].level].name);
    put(out, " ");
    put(out, line->text);
    for (size_t i = 0; i < line->n_fields; i++) {
        put(out, i == 0 ? "  " : " ");
        put_escaped(out, line->fields[i].text, ESCAPE_BLANKS);
    }
}

static void render_sentence(struct rendering *out, const struct log_line *line, bool coloured) {
    const struct level_look *look = &level_looks[log_kind_infos[line->kind].level];
    time_t seconds = (time_t)(line->realtime_usec / USEC_PER_SEC);
    bool colour = coloured && look->colour[0] != '\0';
    char text[16] = "";
    struct tm tm;

    localtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%H:%M:%S ", &tm);
    put(out, text);
    put(out, colour ? look->colour : "");
    put(out, look->prefix);
    put(out, line->text);
    put(out, colour ? "\033[0m" : "");
}

size_t log_render(const struct log_line *line, enum log_look look, char buf[LOG_LINE_SIZE]) {
    struct rendering out = {.buf = buf};

    switch (look) {
    case LOG_LOOK_JSON:
        render_json(&out, line);
        break;
    case LOG_LOOK_PLAIN:
    case LOG_LOOK_COLOUR:
        render_sentence(&out, line, look == LOG_LOOK_COLOUR);
        break;
    case LOG_LOOK_TEXT:
    default:
        render_text(&out, line);
        break;
    }
    buf[out.used++] = '\n';
    return out.used;
}
