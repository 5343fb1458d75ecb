/* Pages for relayd's own answers: a folder with files such as 503.html, read whole with the
 * configuration. Immutable, counted; any thread. */
#ifndef CONFIG_ERROR_PAGES_H
#define CONFIG_ERROR_PAGES_H

#include <stddef.h>

#include "base/check.h"

#define ERROR_PAGE_MOST 65536 /* bytes of one: a socket takes as many without a wait */

struct error_page {
    const char *type; /* its Content-Type */
    const char *body;
    size_t n; /* at least 1 */
};

struct error_pages;

/* Called for each error, with a clause. */
typedef void error_pages_problem_fn(void *arg, const char *what);

/* Reads a folder. One reference; or NULL: on_problem was called, or there is no memory. Waits for
 * the medium alone. */
struct error_pages *error_pages_read(const char *folder, error_pages_problem_fn *on_problem,
                                     void *arg) MUST_USE;

/* NULL is fine for all of these, and means no pages. */
struct error_pages *error_pages_ref(struct error_pages *pages);
void error_pages_unref(struct error_pages *pages);

/* The page of a status, else that of its class (5xx); NULL: none. */
const struct error_page *error_pages_find(const struct error_pages *pages, int status);

#endif
