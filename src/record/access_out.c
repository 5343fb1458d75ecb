#include "record/access_out.h"

#include <string.h>

#include "base/log.h"
#include "base/stats.h"

#define TELL_EACH (10 * USEC_PER_SEC) /* at most, of a file that is only slow */

static _Atomic uint64_t lost; /* and not yet told */

void access_out_lose(uint64_t n) {
    atomic_fetch_add(&lost, n);
    stats_add(STAT_access_log_lost, n);
}

/* What is said */

static void say_unwritten(const struct access_file *file, int error) {
    log_msg(MSG_ACCESS_LOG_LOST,
            "The access log %s cannot be written: %s; %s. Requests are served as ever; their lines "
            "wait, and are lost once they are too many.",
            file->path, strerrordesc_np(error), access_file_remedy(error));
}

/* was: errno of what is over; 0: it was only slow. */
static void say_missing(const struct access_file *file, uint64_t n, int was) {
    if (n == 0)
        log_msg(MSG_ACCESS_LOG_LOST, "The access log %s is written again; no request is missing.",
                file->path);
    else if (was != 0)
        log_msg(MSG_ACCESS_LOG_LOST, "%llu requests are missing in the access log %s: %s; %s.",
                (unsigned long long)n, file->path, strerrordesc_np(was), access_file_remedy(was));
    else
        log_msg(MSG_ACCESS_LOG_LOST,
                "%llu requests are missing in the access log %s: its disk was slower than they "
                "came; put it on a faster one.",
                (unsigned long long)n, file->path);
}

/* It has taken all, or (last) nothing more will be tried. */
static void tell_missing(struct access_out *out, bool last) {
    usec_t now = clock_coarse();
    int was = out->failed;

    if (!last && was == 0 && out->told != 0 && now - out->told < TELL_EACH)
        return;
    out->failed = 0;
    uint64_t n = atomic_exchange(&lost, 0);
    if (n == 0 && (was == 0 || last))
        return;
    say_missing(out->file, n, was);
    out->told = now;
}

/* Lines */

static void drop_out(struct access_out *out) {
    uint64_t n = 0;

    for (size_t i = out->begin; i < out->end; i++)
        n += out->bytes[i] == '\n';
    access_out_lose(n);
    out->begin = out->end = 0;
}

static bool is_torn(const struct access_out *out) {
    return out->begin > 0 && out->begin < out->end && out->bytes[out->begin - 1] != '\n';
}

void access_out_use(struct access_out *out, struct access_file *file) {
    if (file != out->file && is_torn(out)) {
        const char *end = memchr(out->bytes + out->begin, '\n', out->end - out->begin);

        out->begin = (size_t)(end + 1 - out->bytes);
        access_out_lose(1);
    }
    if (file != NULL && out->file != NULL && strcmp(file->path, out->file->path) != 0)
        out->is_new = true;
    access_file_unref(out->file);
    out->file = file;
    if (file == NULL)
        drop_out(out);
}

bool access_out_has_room(const struct access_out *out) {
    return out->end < ACCESS_OUT_ROOM;
}

void access_out_add(struct access_out *out, const struct request_record *record,
                    int64_t realtime_usec) {
    enum access_format format = out->file != NULL ? out->file->format : ACCESS_COMBINED;

    out->end +=
        access_line_write(format, record, realtime_usec, &out->clock, out->bytes + out->end);
}

bool access_out_write(struct access_out *out, const atomic_bool *give_up) {
    int error;

    if (out->begin == out->end)
        return true;
    out->begin += access_file_write(out->file, out->bytes + out->begin, out->end - out->begin,
                                    give_up, &error);
    if (error != 0 && (out->failed != error || out->is_new)) {
        say_unwritten(out->file, error);
        out->failed = error;
    }
    out->is_new = false;
    if (out->begin < out->end)
        return false;
    out->begin = out->end = 0;
    tell_missing(out, false);
    return true;
}

void access_out_end(struct access_out *out) {
    drop_out(out);
    if (out->file != NULL)
        tell_missing(out, true);
    access_out_use(out, NULL);
}
