#include "relayctl/stream.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relayctl/ask.h"

#define CONNECT_SEC 10L
#define LOOK_MSEC   200 /* for an interrupt */

struct stream_reading {
    CURLM *multi;
    CURL *curl;
    char why[CURL_ERROR_SIZE];
    struct buffer line; /* as far as it has come */
    struct buffer refusal;
    void (*on_line)(void *arg, const char *line);
    void *arg;
};

/* A CURLOPT_WRITEFUNCTION. */
static size_t take_lines(char *bytes, size_t one, size_t n, void *arg) {
    struct stream_reading *reading = arg;
    size_t left = one * n;
    long status = 0;

    (void)curl_easy_getinfo(reading->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        buffer_add(&reading->refusal, bytes, left);
        return reading->refusal.failed ? 0 : left;
    }
    for (const char *end; (end = memchr(bytes, '\n', left)) != NULL;) {
        size_t length = (size_t)(end - bytes);

        buffer_add(&reading->line, bytes, length);
        if (reading->line.failed)
            return 0;
        reading->on_line(reading->arg, reading->line.bytes);
        reading->line.n = 0;
        bytes += length + 1;
        left -= length + 1;
    }
    buffer_add(&reading->line, bytes, left);
    return reading->line.failed ? 0 : one * n;
}

static CURL *new_request(const char *socket, const char *path, struct stream_reading *reading) {
    CURL *curl = curl_easy_init();
    char url[1024];

    if (curl == NULL)
        return NULL;
    snprintf(url, sizeof(url), "http://relayd%s", path);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SEC);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_lines);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, reading);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reading->why);
    return curl;
}

static enum stream_end say_refused(const char *socket, long status, const char *answer) {
    json_t *json = answer != NULL ? json_loads(answer, 0, NULL) : NULL;

    (void)ask_judge(socket, json, status);
    json_decref(json);
    return STREAM_REFUSED;
}

static enum stream_end judge_answer(const struct stream_reading *reading, const char *socket,
                                    bool quiet) {
    long status = 0, error = 0;

    (void)curl_easy_getinfo(reading->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(reading->curl, CURLINFO_OS_ERRNO, &error);
    if (status == 200)
        return STREAM_ENDED;
    if (status == 503 && quiet) /* it starts or ends, or has no room yet */
        return STREAM_NOBODY;
    if (status != 0)
        return say_refused(socket, status, reading->refusal.bytes);
    if (!quiet)
        (void)ask_complain(socket, error != 0 ? strerror((int)error) : reading->why);
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

    if (reading == NULL)
        return end;
    while (!*interrupted && stream_pump(reading, -1, LOOK_MSEC))
        continue;
    end = *interrupted ? STREAM_INTERRUPTED : judge_answer(reading, socket, quiet);
    stream_close(reading);
    return end;
}
