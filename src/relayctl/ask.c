#include "relayctl/ask.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "relayctl/answer.h"

#define PATIENCE_SEC      10L
#define READ_SIZE         131072L /* of what may be megabytes */
#define LONG_PATIENCE_SEC 90L     /* with a file system or a name server: reload, check */

/* A CURLOPT_WRITEFUNCTION. */
static size_t take_bytes(char *bytes, size_t one, size_t n, void *arg) {
    struct buffer *buffer = arg;

    if (buffer->n + one * n > ANSWER_MOST)
        return 0;
    buffer_add(buffer, bytes, one * n);
    return buffer->failed ? 0 : one * n;
}

int ask_complain(const char *socket, const char *why) {
    fprintf(stderr,
            "relayctl: no relayd answers at %s: %s.\n"
            "Does relayd run, with control = auto or this path in its configuration? -s SOCKET "
            "asks another; root and members of relayd's group may ask.\n",
            socket, why);
    return EX_UNAVAILABLE;
}

void *ask_prepare(const char *socket, const char *path) {
    CURL *curl = curl_easy_init();
    char *url = NULL;

    if (curl == NULL)
        return NULL;
    if (asprintf(&url, "http://relayd%s", path) < 0 ||
        curl_easy_setopt(curl, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket) != CURLE_OK) {
        curl_easy_cleanup(curl);
        curl = NULL;
    }
    free(url);
    if (curl != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    return curl;
}

/* Why there is no answer. error: errno of libcurl. */
static int complain_of(const struct ask *ask, CURLcode r, long error, const char *why,
                       const struct buffer *text) {
    if (ask->quiet)
        return EX_UNAVAILABLE;
    if (r == CURLE_OK)
        why = "the answer is empty";
    else if (r == CURLE_WRITE_ERROR)
        why = text->failed ? "there is no memory for the answer" : "the answer does not end";
    else if (error != 0)
        why = strerror((int)error);
    return ask_complain(ask->socket, why[0] != '\0' ? why : curl_easy_strerror(r));
}

int ask_page(const struct ask *ask, enum ask_method method, const char *path,
             struct buffer *ret_text, long *ret_status) {
    char why[CURL_ERROR_SIZE] = "";
    struct buffer text = {0};
    CURL *curl = ask_prepare(ask->socket, path);

    if (curl == NULL)
        return EX_OSERR;
    if (method == ASK_POST)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                           method == ASK_POST ? LONG_PATIENCE_SEC : PATIENCE_SEC);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, READ_SIZE);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    CURLcode r = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    long error = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
    curl_easy_cleanup(curl);
    if (r == CURLE_OK && text.bytes != NULL) {
        *ret_text = text;
        return EX_OK;
    }
    int failed = complain_of(ask, r, error, why, &text);
    buffer_free(&text);
    return failed;
}

int ask_judge(const char *socket, const json_t *json, long status) {
    const char *error = json_string_value(json_object_get(json, "error"));

    if (error != NULL)
        fprintf(stderr, "relayctl: %s.\n", error);
    else if (json == NULL)
        fprintf(stderr, "relayctl: %s answers %ld with no JSON, so it is no relayd.\n", socket,
                status);
    if (json == NULL)
        return EX_UNAVAILABLE;
    return error != NULL ? ASK_REFUSED : EX_OK;
}

int ask_json(const struct ask *ask, enum ask_method method, const char *path, json_t **ret_json,
             char **ret_text) {
    struct buffer text;
    long status = 0;
    int r = ask_page(ask, method, path, &text, &status);

    if (r != EX_OK)
        return r;
    json_t *json = answer_read(text.bytes, text.n);
    r = ask_judge(ask->socket, json, status);
    if (r == EX_OK && ret_text != NULL) {
        *ret_text = text.bytes;
        text.bytes = NULL;
    }
    free(text.bytes);
    if (r == EX_OK)
        *ret_json = json;
    else
        json_decref(json);
    return r;
}

int ask_end(bool known) {
    if (!known)
        fputs(
            "relayctl: the answer is not what this relayctl knows; use that of the same "
            "version as relayd.\n",
            stderr);
    return known ? EX_OK : ASK_REFUSED;
}

json_t *ask_look(const struct ask *ask, const char *path) {
    struct buffer text;
    long status = 0;

    if (ask_page(ask, ASK_GET, path, &text, &status) != EX_OK)
        return NULL;
    json_t *json = status == 200 ? answer_read(text.bytes, text.n) : NULL;
    free(text.bytes);
    return json;
}

char *ask_path(const char *page, char *const words[], size_t n) {
    char *path = strdup(page);

    for (size_t i = 0; i < n && path != NULL; i++) {
        const char *word = words[i], *is = strchr(word, '=');
        char *value = is != NULL && is > word ? curl_easy_escape(NULL, is + 1, 0) : NULL,
             *name = value != NULL ? curl_easy_escape(NULL, word, (int)(is - word)) : NULL,
             *longer = NULL;

        if (name != NULL &&
            asprintf(&longer, "%s%s%s=%s", path, i == 0 ? "?" : "&", name, value) < 0)
            longer = NULL;
        curl_free(name);
        curl_free(value);
        free(path);
        path = longer;
    }
    return path;
}
