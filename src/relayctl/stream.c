#include "relayctl/stream.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relayctl/answer.h"
#include "relayctl/ask.h"

#define CONNECT_SEC 10L
#define LOOK_MSEC   200 /* for an interrupt */
#define BEGINS_IN   (10 * USEC_PER_SEC)

struct stream_reading {
    CURLM *multi;
    CURL *curl;
    char why[CURL_ERROR_SIZE];
    struct buffer line; /* as far as it has come */
    struct buffer refusal;
    bool endless; /* a line was too long */
    void (*on_line)(void *arg, const char *line);
    void *arg;
};

static long answer_status(const struct stream_reading *reading) {
    long status = 0;

    (void)curl_easy_getinfo(reading->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* False: there is no memory for more, or it does not end. */
static bool take_piece(struct stream_reading *reading, struct buffer *buffer, const char *bytes,
                       size_t n) {
    reading->endless = buffer->n + n > ANSWER_LINE_MOST;
    if (!reading->endless)
        buffer_add(buffer, bytes, n);
    return !reading->endless && !buffer->failed;
}

/* A CURLOPT_WRITEFUNCTION. */
static size_t take_lines(char *bytes, size_t one, size_t n, void *arg) {
    struct stream_reading *reading = arg;
    size_t left = one * n;

    if (answer_status(reading) != 200)
        return take_piece(reading, &reading->refusal, bytes, left) ? left : 0;
    for (const char *end; (end = memchr(bytes, '\n', left)) != NULL;) {
        size_t length = (size_t)(end - bytes);

        if (!take_piece(reading, &reading->line, bytes, length))
            return 0;
        reading->on_line(reading->arg, reading->line.bytes);
        reading->line.n = 0;
        bytes += length + 1;
        left -= length + 1;
    }
    return take_piece(reading, &reading->line, bytes, left) ? one * n : 0;
}

static CURL *new_request(const char *socket, const char *path, struct stream_reading *reading) {
    CURL *curl = ask_prepare(socket, path);

    if (curl == NULL)
        return NULL;
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SEC);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_lines);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, reading);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reading->why);
    return curl;
}

static enum stream_end say_refused(const char *socket, long status, const struct buffer *answer) {
    json_t *json = answer->n > 0 ? answer_read(answer->bytes, answer->n) : NULL;

    (void)ask_judge(socket, json, status);
    json_decref(json);
    return STREAM_REFUSED;
}

static enum stream_end judge_answer(const struct stream_reading *reading, const char *socket,
                                    bool quiet) {
    long status = answer_status(reading), error = 0;

    (void)curl_easy_getinfo(reading->curl, CURLINFO_OS_ERRNO, &error);
    if (status == 200 && reading->endless) {
        fprintf(stderr, "relayctl: %s answers with a line that does not end.\n", socket);
        return STREAM_REFUSED;
    }
    if (status == 200)
        return STREAM_ENDED;
    if (status == 503 && quiet) /* it starts or ends, or has no room yet */
        return STREAM_NOBODY;
    if (status != 0)
        return say_refused(socket, status, &reading->refusal);
    if (!quiet)
        (void)ask_complain(socket, error != 0                ? strerror((int)error)
                                   : reading->why[0] != '\0' ? reading->why
                                                             : "it does not answer in 10 s");
    return STREAM_NOBODY;
}

struct stream_reading *stream_open(const char *socket, const char *path,
                                   void (*on_line)(void *arg, const char *line), void *arg) {
    struct stream_reading *reading = calloc(1, sizeof(*reading));

    if (reading == NULL)
        return NULL;
    reading->on_line = on_line;
    reading->arg = arg;
    reading->multi = curl_multi_init();
    reading->curl = new_request(socket, path, reading);
    if (reading->multi != NULL && reading->curl != NULL &&
        curl_multi_add_handle(reading->multi, reading->curl) == CURLM_OK)
        return reading;
    stream_close(reading);
    return NULL;
}

void stream_close(struct stream_reading *reading) {
    if (reading == NULL)
        return;
    if (reading->multi != NULL && reading->curl != NULL)
        (void)curl_multi_remove_handle(reading->multi, reading->curl);
    curl_easy_cleanup(reading->curl);
    (void)curl_multi_cleanup(reading->multi);
    buffer_free(&reading->line);
    buffer_free(&reading->refusal);
    free(reading);
}

bool stream_pump(struct stream_reading *reading, int fd, int msec) {
    struct curl_waitfd also = {.fd = fd, .events = CURL_WAIT_POLLIN};
    int running = 0;

    if (curl_multi_perform(reading->multi, &running) != CURLM_OK || running == 0)
        return false;
    (void)curl_multi_poll(reading->multi, &also, fd >= 0, msec, NULL);
    return curl_multi_perform(reading->multi, &running) == CURLM_OK && running > 0;
}

enum stream_end stream_read(const char *socket, const char *path, bool quiet,
                            const volatile sig_atomic_t *interrupted,
                            void (*on_line)(void *arg, const char *line), void *arg) {
    struct stream_reading *reading = stream_open(socket, path, on_line, arg);
    enum stream_end end = STREAM_NOBODY;
    usec_t until = clock_now() + BEGINS_IN;

    if (reading == NULL)
        return end;
    while (!*interrupted && (answer_status(reading) != 0 || clock_now() < until) &&
           stream_pump(reading, -1, LOOK_MSEC))
        continue;
    end = *interrupted ? STREAM_INTERRUPTED : judge_answer(reading, socket, quiet);
    stream_close(reading);
    return end;
}
