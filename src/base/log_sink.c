#include "base/log_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* CODE_FILE would always be this file */
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

const struct log_kind_info log_kind_infos[MSG_COUNT] = {
#define MESSAGE(name, level, id, subject, explanation) [MSG_##name] = {LOG_LEVEL_##level, id},
#include "base/messages.def"
#undef MESSAGE
};

static bool to_journal;

/* An empty line was written to stderr, which the journal does not keep, but by which it learns the unit of this process. It
 * would else ask /proc when it reads a native message, and not find a process that could not start and is gone by then. */
static bool introduced;

/* systemd.exec(5): $JOURNAL_STREAM is "device:inode" of the stream that systemd connected to the
 * journal. If stderr is still that one, the journal reads it, and native messages say more. */
void log_sink_open(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    to_journal = stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
    if (to_journal && !introduced)
        introduced = write(STDERR_FILENO, "\n", 1) > 0;
}

static int write_journal(const struct log_line *line) {
    const struct log_kind_info *info = &log_kind_infos[line->kind];
    struct iovec iov[LOG_FIELDS_MAX + 4];
    char head[4][LOG_TEXT_MAX + 32];
    int n = 0;

    snprintf(head[0], sizeof(head[0]), "MESSAGE=%s", line->text);
    snprintf(head[1], sizeof(head[1]), "PRIORITY=%d", (int)info->level);
    snprintf(head[2], sizeof(head[2]), "MESSAGE_ID=%s", info->id);
    snprintf(head[3], sizeof(head[3]), "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        iov[n++] = (struct iovec){head[i], strlen(head[i])};
    for (size_t i = 0; i < line->n_fields; i++) {
        /* The journal takes char pointers that it does not write to. */
        union {
            const char *in;
            char *out;
        } field = {line->fields[i]};
        iov[n++] = (struct iovec){field.out, strlen(field.in)};
    }
    return sd_journal_sendv(iov, n);
}

static const char *level_name(enum log_level level) {
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARNING:
        return "warning";
    case LOG_LEVEL_NOTICE:
        return "notice";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    default:
        return "?";
    }
}

static int write_stderr(const struct log_line *line) {
    char out[LOG_TEXT_MAX + LOG_FIELD_ROOM + 128];
    time_t seconds = (time_t)(line->realtime_usec / USEC_PER_SEC);
    struct tm tm;
    size_t n, done = 0;

    gmtime_r(&seconds, &tm);
    n = strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(out + n, sizeof(out) - n, ".%06dZ %s %s",
                          (int)(line->realtime_usec % USEC_PER_SEC),
                          level_name(log_kind_infos[line->kind].level), line->text);
    for (size_t i = 0; i < line->n_fields; i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", i == 0 ? "  " : " ",
                              line->fields[i]);
    out[n++] = '\n';
    while (done < n) {
        ssize_t r = write(STDERR_FILENO, out + done, n - done);

        if (r < 0)
            return -errno;
        done += (size_t)r;
    }
    return 0;
}

int log_sink_write(const struct log_line *line) {
    return to_journal ? write_journal(line) : write_stderr(line);
}
