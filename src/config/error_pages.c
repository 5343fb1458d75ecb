#include "config/error_pages.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define NAME_DIGITS 3   /* of a file's name, before the dot */
#define CLAUSE_MAX  512 /* of what is wrong */

/* The statuses of ends.def (tests/lint), and their classes. */
static const char *const names[] = {"400", "403", "404", "405", "408", "413", "414", "417", "421",
                                    "429", "431", "501", "502", "503", "504", "505", "4xx", "5xx"};

static const struct page_kind {
    const char *extension;
    const char *type;
} kinds[] = {
    {"html", "text/html; charset=utf-8"},
    {"json", "application/json"},
    {"txt", "text/plain; charset=utf-8"},
};

struct error_pages {
    _Atomic size_t refs;
    size_t n;
    struct error_page pages[ARRAY_LEN(names)]; /* without a body: none */
    char *bodies[ARRAY_LEN(names)];
};

struct page_reading {
    const char *folder;
    struct error_pages *pages;
    const struct page_kind *found[ARRAY_LEN(names)]; /* of files so far */
    error_pages_problem_fn *on_problem;
    void *arg;
    bool failed;
};

PRINTF_LIKE(2, 3)
static void tell_of_page(struct page_reading *reading, const char *fmt, ...) {
    char what[CLAUSE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    reading->failed = true;
    reading->on_problem(reading->arg, what);
}

/* What is meant as a page begins as one: so an editor's 503.html~ or a package's 503.html.bak is
 * none, nor is a picture. */
static int is_meant(const struct dirent *entry) {
    const char *name = entry->d_name, *dot = strchr(name, '.');

    return dot == name + NAME_DIGITS && name[0] >= '0' && name[0] <= '9' &&
           strspn(name + 1, "0123456789xX") == NAME_DIGITS - 1 && strchr(dot + 1, '.') == NULL &&
           strchr(dot, '~') == NULL;
}

static const struct page_kind *find_page_kind(const char *extension) {
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].extension, extension) == 0)
            return &kinds[i];
    return NULL;
}

/* ARRAY_LEN(names): it has no place. */
static size_t find_place(const char *digits) {
    size_t i = 0;

    while (i < ARRAY_LEN(names) && strncmp(names[i], digits, NAME_DIGITS) != 0)
        i++;
    return i;
}

/* NULL: told why not. */
static char *read_page(struct page_reading *reading, const char *name, size_t *ret_n) {
    char *path, *body = malloc(ERROR_PAGE_MOST + 1);
    const char *kind = NULL;
    size_t n = 0;
    int r = -ENOMEM;

    if (body != NULL && asprintf(&path, "%s/%s", reading->folder, name) >= 0) {
        r = file_read(path, body, ERROR_PAGE_MOST + 1, &n, &kind);
        free(path);
    }
    if (r == -EACCES)
        tell_of_page(reading, "%s: permission denied; let user %u read it", name,
                     (unsigned)geteuid());
    else if (r == -EBADF)
        tell_of_page(reading, "%s: %s; a page must be a regular file", name, kind);
    else if (r < 0)
        tell_of_page(reading, "%s: cannot be read: %s", name, strerrordesc_np(-r));
    else if (n == 0)
        tell_of_page(reading, "%s: is empty; write what clients are to see, or remove it", name);
    else if (n > ERROR_PAGE_MOST)
        tell_of_page(reading, "%s: is larger than %d bytes", name, ERROR_PAGE_MOST);
    if (r < 0 || n == 0 || n > ERROR_PAGE_MOST) {
        free(body);
        return NULL;
    }
    *ret_n = n;
    char *fits = realloc(body, n);
    return fits != NULL ? fits : body;
}

static void take_page(struct page_reading *reading, const char *name) {
    const struct page_kind *kind = find_page_kind(name + NAME_DIGITS + 1);
    size_t i = find_place(name);

    if (i == ARRAY_LEN(names)) {
        tell_of_page(reading,
                     "%s: pages are for 400, 403, 404, 405, 408, 413, 414, 417, 421, 429, 431, "
                     "501, 502, 503, 504 and "
                     "505, and 4xx or 5xx for the rest of these",
                     name);
    } else if (kind == NULL) {
        tell_of_page(reading, "%s: the name of a page must end in .html, .json or .txt", name);
    } else if (reading->found[i] != NULL) {
        tell_of_page(reading, "%s: %s.%s is there, too; a status has one page", name, names[i],
                     reading->found[i]->extension);
    } else {
        struct error_page *page = &reading->pages->pages[i];

        reading->found[i] = kind;
        page->type = kind->type;
        page->body = reading->pages->bodies[i] = read_page(reading, name, &page->n);
        reading->pages->n++;
    }
}

static void tell_unread_folder(struct page_reading *reading, int error) {
    if (error == ENOENT)
        tell_of_page(reading, "there is no such folder");
    else if (error == ENOTDIR)
        tell_of_page(reading, "this is no folder; it must be one, with files such as 503.html");
    else if (error == EACCES)
        tell_of_page(reading, "permission denied; let user %u read and search the folder",
                     (unsigned)geteuid());
    else
        tell_of_page(reading, "cannot be read: %s", strerrordesc_np(error));
}

struct error_pages *error_pages_read(const char *folder, error_pages_problem_fn *on_problem,
                                     void *arg) {
    struct page_reading reading = {.folder = folder, .on_problem = on_problem, .arg = arg};
    struct dirent **entries = NULL;

    reading.pages = calloc(1, sizeof(*reading.pages));
    if (reading.pages == NULL)
        return NULL;
    atomic_init(&reading.pages->refs, 1);
    int n = scandir(folder, &entries, is_meant, alphasort);
    if (n < 0)
        tell_unread_folder(&reading, errno);
    for (int i = 0; i < n; i++) {
        take_page(&reading, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!reading.failed && reading.pages->n == 0)
        tell_of_page(&reading,
                     "there is no page in this folder; it must have files such as 503.html");
    if (!reading.failed)
        return reading.pages;
    error_pages_unref(reading.pages);
    return NULL;
}

struct error_pages *error_pages_ref(struct error_pages *pages) {
    if (pages != NULL)
        atomic_fetch_add_explicit(&pages->refs, 1, memory_order_relaxed);
    return pages;
}

void error_pages_unref(struct error_pages *pages) {
    if (pages == NULL || atomic_fetch_sub_explicit(&pages->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < ARRAY_LEN(pages->pages); i++)
        free(pages->bodies[i]);
    free(pages);
}

const struct error_page *error_pages_find(const struct error_pages *pages, int status) {
    char name[16];

    if (pages == NULL)
        return NULL;
    snprintf(name, sizeof(name), "%d", status);
    for (int i = 0; i < 2; i++) {
        size_t place = find_place(name);

        if (place < ARRAY_LEN(names) && pages->pages[place].body != NULL)
            return &pages->pages[place];
        snprintf(name, sizeof(name), "%dxx", status / 100);
    }
    return NULL;
}
