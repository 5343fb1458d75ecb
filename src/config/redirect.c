#include "config/redirect.h"

#include <string.h>
#include <strings.h>

static const char *const schemes[] = {"https://", "http://"};

/* RFC 3986, 2: what stands in a URL, "#" of WHOLE included. */
static bool is_url_text(const char *text) {
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || strchr("\"<>\\^`{|}", *text))
            return false;
    return true;
}

/* Where its path begins, or its end; NULL: it has no scheme and host. */
static const char *find_path(const char *text) {
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]), host;

        if (strncasecmp(text, schemes[i], n) != 0)
            continue;
        host = strcspn(text + n, "/?#");
        return host > 0 && memchr(text + n, '@', host) == NULL ? text + n + host : NULL;
    }
    return NULL;
}

const char *redirect_read(const char *text, struct redirect *ret) {
    const char *path = text[0] == '/' && text[1] != '/' ? text : find_path(text);
    size_t n = strlen(text);

    *ret = (struct redirect){REDIRECT_NONE, 0};
    if (n == 0)
        return NULL;
    if (n > REDIRECT_MOST)
        return "must not be longer than 1024 bytes";
    if (strcmp(text, "https") == 0) {
        *ret = (struct redirect){REDIRECT_SCHEME, (uint16_t)n};
        return NULL;
    }
    if (path == NULL || strcmp(text, "/") == 0 || !is_url_text(text))
        return "must be https, for the same host and path by TLS, or a URL, as in "
               "\"https://www.example.com\" or \"https://www.example.com/docs/\"";
    if (*path == '\0')
        *ret = (struct redirect){REDIRECT_HOST, (uint16_t)n};
    else if (text[n - 1] == '/' && strpbrk(path, "?#") == NULL)
        *ret = (struct redirect){n - 1 > (size_t)(path - text) ? REDIRECT_PREFIX : REDIRECT_HOST,
                                 (uint16_t)(n - 1)};
    else
        *ret = (struct redirect){REDIRECT_WHOLE, (uint16_t)n};
    return NULL;
}
