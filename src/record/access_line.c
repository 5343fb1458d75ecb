#include "record/access_line.h"

#include <string.h>

#include "base/escape.h"

#define ESCAPED_MOST 5    /* bytes of one in JSON: \\xff */
#define OTHER_MOST   4096 /* bytes of a line besides the texts of the request */

_Static_assert(ESCAPED_MOST *(REQUEST_TEXTS_SIZE + REQUEST_ID_SIZE + REQUEST_METHOD_SIZE +
                              3 * CONFIG_NAME_MAX + 3 * ADDR_TEXT_MAX) +
                       OTHER_MOST <=
                   ACCESS_LINE_MAX,
               "every line fits");

/* The line so far: its end. */
struct writing {
    char *at;
    bool first; /* of JSON: no member yet */
};

static void write_bytes(struct writing *out, const char *bytes, size_t n) {
    memcpy(out->at, bytes, n);
    out->at += n;
}

static void write_ascii(struct writing *out, const char *text) {
    write_bytes(out, text, strlen(text));
}

static void put_number(struct writing *out, unsigned long long number) {
    char digits[24];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    write_bytes(out, digits + n, sizeof(digits) - n);
}

/* Bytes from here that stand for themselves in a quotation. */
static size_t count_plain(const char *text) {
    size_t n = 0;

    while (text[n] >= ' ' && text[n] <= '~' && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

/* Combined */

static void put_quotable(struct writing *out, const char *text) {
    static const char digits[] = "0123456789ABCDEF";

    for (;;) {
        size_t n = count_plain(text);

        write_bytes(out, text, n);
        text += n;
        if (*text == '\0')
            return;
        unsigned char c = (unsigned char)*text++;
        write_bytes(out, (const char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
    }
}

/* "-": nothing is known. */
static void put_known(struct writing *out, const char *text) {
    if (text[0] == '\0')
        write_ascii(out, "-");
    else
        put_quotable(out, text);
}

/* Up to the second: here and with the zone, or (RFC 3339) in UTC. */
static const char *time_text(struct access_clock *clock, enum access_format format, time_t second) {
    struct tm tm;

    if (clock->second == second && clock->format == format)
        return clock->text;
    if (format == ACCESS_JSON)
        (void)strftime(clock->text, sizeof(clock->text), "%Y-%m-%dT%H:%M:%S",
                       gmtime_r(&second, &tm));
    else
        (void)strftime(clock->text, sizeof(clock->text), "[%d/%b/%Y:%H:%M:%S %z]",
                       localtime_r(&second, &tm));
    clock->second = second;
    clock->format = format;
    return clock->text;
}

/* Of a bad head as far as it was understood. */
static void put_request_line(struct writing *out, const struct request_record *r) {
    bool whole = r->headed != 0;

    if (r->method[0] == '\0' || (!whole && r->n_path == 0)) {
        write_ascii(out, "-");
        return;
    }
    put_quotable(out, r->method);
    write_ascii(out, " ");
    put_quotable(out, r->n_path > 0 ? request_record_path(r) : "/");
    if (whole)
        write_ascii(out, r->v1_0 ? " HTTP/1.0" : " HTTP/1.1");
}

static void write_combined(struct writing *out, const struct request_record *r, const char *when) {
    char client[ADDR_TEXT_MAX];

    if (addr_is_unix(&r->client))
        write_ascii(out, "unix:"); /* its path may have blanks */
    else
        put_known(out, addr_format_host(&r->client, client, sizeof(client)));
    write_ascii(out, " - - ");
    write_ascii(out, when);
    write_ascii(out, " \"");
    put_request_line(out, r);
    write_ascii(out, "\" ");
    if (r->status != 0)
        put_number(out, r->status);
    else
        write_ascii(out, "-");
    write_ascii(out, " ");
    put_number(out, r->bytes[DIR_DOWN] + r->page);
    write_ascii(out, " \"");
    put_known(out, request_record_referer(r));
    write_ascii(out, "\" \"");
    put_known(out, request_record_agent(r));
    write_ascii(out, "\"");
}

/* JSON */

/* RELAYD_BYTES_UP is bytes_up. */
static void put_name(struct writing *out, const char *name) {
    write_ascii(out, out->first ? "\"" : ",\"");
    out->first = false;
    for (name += strlen("RELAYD_"); *name != '\0'; name++)
        *out->at++ = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
    write_ascii(out, "\":");
}

/* As in the journal: what is not printable is \xNN, UTF-8 stays. */
static void put_text_member(void *arg, const char *name, const char *value) {
    struct writing *out = arg;
    size_t plain = count_plain(value);

    if (value[0] == '\0')
        return;
    put_name(out, name);
    write_ascii(out, "\"");
    if (value[plain] == '\0') {
        write_bytes(out, value, plain);
    } else {
        char text[4 * (REQUEST_TEXTS_SIZE + 1)];

        escape_text(value, strlen(value), ESCAPE_UNPRINTABLE, text, sizeof(text));
        escape_json(text, out->at, 2 * strlen(text) + 1);
        out->at += strlen(out->at);
    }
    write_ascii(out, "\"");
}

static void put_number_member(void *arg, const char *name, unsigned long long number) {
    put_name(arg, name);
    put_number(arg, number);
}

static void write_json(struct writing *out, const struct request_record *r, const char *second,
                       int64_t usec) {
    const struct request_fields to = {put_text_member, put_number_member, out};
    char digits[] = ".000000Z\",";

    for (size_t i = 6; i > 0; i--, usec /= 10)
        digits[i] = (char)('0' + usec % 10);
    write_ascii(out, "{\"time\":\"");
    write_ascii(out, second);
    write_ascii(out, digits);
    out->first = true;
    request_record_tell(r, &to);
    write_ascii(out, "}");
}

size_t access_line_write(enum access_format format, const struct request_record *record,
                         int64_t realtime_usec, struct access_clock *clock,
                         char buf[ACCESS_LINE_MAX]) {
    struct writing out = {.at = buf};
    const char *when = time_text(clock, format, (time_t)(realtime_usec / USEC_PER_SEC));

    if (format == ACCESS_JSON)
        write_json(&out, record, when, realtime_usec % USEC_PER_SEC);
    else
        write_combined(&out, record, when);
    *out.at++ = '\n';
    return (size_t)(out.at - buf);
}
