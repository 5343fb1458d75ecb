#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DURATION_LIMIT ((int64_t)1 << 62)
#define DISTANCE_MAX   64 /* letters that text_distance compares */

/* Reads digits up to the first other character: their value in *ret, and where they end; NULL
 * without a digit or beyond 2^63 - 1. */
static const char *read_digits(const char *text, int64_t *ret) {
    int64_t n = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++) {
        int digit = *p - '0';

        if (n > (INT64_MAX - digit) / 10)
            return NULL;
        n = n * 10 + digit;
    }
    if (p == text)
        return NULL;
    *ret = n;
    return p;
}

static bool multiply_within(int64_t n, int64_t by, int64_t limit, int64_t *ret) {
    if (n > limit / by)
        return false;
    *ret = n * by;
    return true;
}

bool text_parse_number(const char *text, int64_t *ret) {
    int64_t n;
    const char *end = read_digits(text, &n);

    if (!end || *end != '\0')
        return false;
    *ret = n;
    return true;
}

struct unit {
    const char *name;
    int64_t worth;
};

/* Digits and one of the units. */
static bool parse_in_units(const char *text, const struct unit *units, size_t n_units,
                           int64_t limit, int64_t *ret) {
    int64_t n;
    const char *name = read_digits(text, &n);

    for (size_t i = 0; name && i < n_units; i++)
        if (strcmp(name, units[i].name) == 0)
            return multiply_within(n, units[i].worth, limit, ret);
    return false;
}

bool text_parse_duration(const char *text, usec_t *ret) {
    static const struct unit units[] = {
        {"", USEC_PER_SEC},       {"s", USEC_PER_SEC},        {"ms", USEC_PER_MSEC},
        {"m", 60 * USEC_PER_SEC}, {"h", 3600 * USEC_PER_SEC},
    };

    return parse_in_units(text, units, ARRAY_LEN(units), DURATION_LIMIT, ret);
}

const char *text_format_duration(usec_t t, char *buf, size_t size) {
    static const struct unit units[] = {
        {"h", 3600 * USEC_PER_SEC},
        {"m", 60 * USEC_PER_SEC},
        {"s", USEC_PER_SEC},
        {"ms", USEC_PER_MSEC},
    };

    if (t == 0) {
        snprintf(buf, size, "0");
        return buf;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (t % units[i].worth == 0) {
            snprintf(buf, size, "%" PRId64 "%s", t / units[i].worth, units[i].name);
            return buf;
        }
    }
    snprintf(buf, size, "%.3fms", (double)t / (double)USEC_PER_MSEC);
    return buf;
}

const char *text_format_moment(usec_t moment, char *buf, size_t size) {
    time_t when = clock_wall(moment);
    struct tm tm;

    if (localtime_r(&when, &tm) == NULL || strftime(buf, size, "%H:%M:%S", &tm) == 0)
        snprintf(buf, size, "?");
    return buf;
}

const char *text_format_day(int64_t seconds, char *buf, size_t size) {
    time_t moment = (time_t)seconds;
    struct tm tm;

    if (gmtime_r(&moment, &tm) == NULL || strftime(buf, size, "%Y-%m-%d", &tm) == 0)
        snprintf(buf, size, "?");
    return buf;
}

bool text_parse_size(const char *text, int64_t *ret) {
    static const struct unit units[] = {{"", 1}, {"k", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};

    return parse_in_units(text, units, ARRAY_LEN(units), INT64_MAX, ret);
}

/* "2 h 5 min", and "2 h" where the smaller part is nothing. */
static void format_two(char *buf, size_t size, int64_t n, int64_t per, const char *large,
                       const char *small) {
    if (n % per == 0)
        snprintf(buf, size, "%" PRId64 " %s", n / per, large);
    else
        snprintf(buf, size, "%" PRId64 " %s %" PRId64 " %s", n / per, large, n % per, small);
}

const char *text_human_time(usec_t t, char *buf, size_t size) {
    /* Rounded first, so that 999.96 ms becomes 1.0 s and not 1000.0 ms. */
    int64_t tenth_ms = t / 100 + (t % 100 >= 50);
    int64_t tenth_s = t / 100000 + (t % 100000 >= 50000);
    int64_t seconds = t / USEC_PER_SEC + (t % USEC_PER_SEC >= USEC_PER_SEC / 2);

    if (tenth_ms < 10000)
        snprintf(buf, size, "%" PRId64 ".%" PRId64 " ms", tenth_ms / 10, tenth_ms % 10);
    else if (tenth_s < 600)
        snprintf(buf, size, "%" PRId64 ".%" PRId64 " s", tenth_s / 10, tenth_s % 10);
    else if (seconds < 3600)
        format_two(buf, size, seconds, 60, "min", "s");
    else
        format_two(buf, size, seconds / 60, 60, "h", "min");
    return buf;
}

static const struct {
    int64_t seconds;
    const char *name;
} spans[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};

/* The largest that it has one of; or seconds. */
static size_t find_span(int64_t seconds) {
    size_t i = 0;

    while (i < ARRAY_LEN(spans) - 1 && seconds < spans[i].seconds)
        i++;
    return i;
}

const char *text_human_left(int64_t seconds, char *buf, size_t size) {
    int64_t unit = spans[find_span(seconds)].seconds;

    return text_human_age((seconds + unit / 2) / unit * unit, 1, buf, size);
}

const char *text_human_age(int64_t seconds, size_t units, char *buf, size_t size) {
    seconds = seconds > 0 ? seconds : 0;
    size_t i = find_span(seconds);

    snprintf(buf, size, "%" PRId64 " %s", seconds / spans[i].seconds, spans[i].name);
    if (units > 1 && i < 3 && seconds % spans[i].seconds / spans[i + 1].seconds > 0)
        text_append(buf, size, " %" PRId64 " %s", seconds % spans[i].seconds / spans[i + 1].seconds,
                    spans[i + 1].name);
    return buf;
}

const char *text_human_bytes(uint64_t n, char *buf, size_t size) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t tenth = 100; /* bytes in a tenth of the unit */
    size_t unit = 0;

    if (n < 1000) {
        snprintf(buf, size, n == 1 ? "%" PRIu64 " byte" : "%" PRIu64 " bytes", n);
        return buf;
    }
    while (unit + 1 < ARRAY_LEN(units) && n / tenth + (n % tenth >= tenth / 2) >= 10000) {
        tenth *= 1000;
        unit++;
    }
    n = n / tenth + (n % tenth >= tenth / 2);
    snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %s", n / 10, n % 10, units[unit]);
    return buf;
}

void text_trim(char *text) {
    size_t n = strlen(text), more = 0;

    while (more < n && (text[n - 1 - more] & 0xc0) == 0x80)
        more++;
    if (more == n)
        return;
    unsigned char first = (unsigned char)text[n - 1 - more];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (length > more + 1)
        text[n - 1 - more] = '\0';
}

void text_append(char *buf, size_t size, const char *fmt, ...) {
    size_t used = strnlen(buf, size);
    va_list ap;

    va_start(ap, fmt);
    if (vsnprintf(buf + used, size - used, fmt, ap) >= (int)(size - used))
        text_trim(buf);
    va_end(ap);
}

static unsigned lesser_of(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned text_distance(const char *a, const char *b) {
    /* The optimal string alignment distance; row[i % 3] belongs to the first i letters of a. */
    unsigned row[3][DISTANCE_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > DISTANCE_MAX || b_len > DISTANCE_MAX)
        return strcmp(a, b) == 0 ? 0 : (unsigned)(a_len > b_len ? a_len : b_len);
    for (size_t j = 0; j <= b_len; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = a[i - 1] != b[j - 1];

            now[j] = lesser_of(lesser_of(before[j], now[j - 1]) + 1, before[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = lesser_of(now[j], earlier[j - 2] + 1);
        }
    }
    return row[a_len % 3][b_len];
}

size_t text_before_end(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);

    return n > m && strcmp(text + n - m, end) == 0 ? n - m : 0;
}

size_t text_plain_path(const char *path, char *ret) {
    size_t n = 0;

    for (; *path != '\0'; path++) {
        while (path[0] == '/' && (path[1] == '/' || (path[1] == '.' && path[2] == '/')))
            path += path[1] == '/' ? 1 : 2;
        ret[n++] = *path;
    }
    ret[n] = '\0';
    return n;
}

bool text_is_below(const char *path, const char *folder) {
    size_t n = strlen(folder);

    while (n > 0 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}
