/* config/error_pages: folders that are read, and those that are not. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/error_pages.h"

static char folder[] = "/tmp/pages-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/pages-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state) {
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, size_t n, char byte) {
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    for (; n > 0; n--)
        fputc(byte, file);
    assert_int_equal(fclose(file), 0);
}

/* Clauses, one a line. */
static void note(void *arg, const char *what) {
    strcat(arg, what);
    strcat(arg, "\n");
}

static struct error_pages *whole(void) {
    char told[4096] = "";
    struct error_pages *pages = error_pages_read(folder, note, told);

    assert_string_equal(told, "");
    assert_non_null(pages);
    return pages;
}

static void refused(const char *where, const char *why) {
    char told[4096] = "";

    assert_null(error_pages_read(where, note, told));
    assert_string_equal(told, why);
}

static void has(const struct error_pages *pages, int status, const char *type, char byte,
                size_t n) {
    const struct error_page *page = error_pages_find(pages, status);

    assert_non_null(page);
    assert_string_equal(page->type, type);
    assert_int_equal(page->n, n);
    assert_int_equal(page->body[0], byte);
    assert_int_equal(page->body[n - 1], byte);
}

static void a_status_has_its_page_or_that_of_its_class(void **state) {
    (void)state;
    write_file("503.html", 10, 'h');
    write_file("429.json", 1, 'j');
    write_file("5xx.txt", ERROR_PAGE_MOST, 't');
    struct error_pages *pages = whole();
    has(pages, 503, "text/html; charset=utf-8", 'h', 10);
    has(pages, 502, "text/plain; charset=utf-8", 't', ERROR_PAGE_MOST);
    has(pages, 504, "text/plain; charset=utf-8", 't', ERROR_PAGE_MOST);
    has(pages, 429, "application/json", 'j', 1);
    assert_null(error_pages_find(pages, 403));
    assert_ptr_equal(error_pages_ref(pages), pages);
    error_pages_unref(pages);
    has(pages, 503, "text/html; charset=utf-8", 'h', 10);
    error_pages_unref(pages);
}

static void no_pages_is_fine(void **state) {
    (void)state;
    assert_null(error_pages_ref(NULL));
    assert_null(error_pages_find(NULL, 503));
    error_pages_unref(NULL);
}

static void what_is_no_page_does_not_matter(void **state) {
    (void)state;
    for (const char *const *name =
             (const char *const[]){"logo.png", "503.html~", "503.html.bak", ".503.html.swp",
                                   "README", "503", "50x", "5030.html", "404-old.html", NULL};
         *name != NULL; name++)
        write_file(*name, 0, ' ');
    write_file("503.html", 1, 'x');
    error_pages_unref(whole());
}

static void all_that_is_wrong_is_told(void **state) {
    (void)state;
    write_file("403.html", 0, ' ');
    write_file("418.html", 1, 'x');
    write_file("429.html", 1, 'x');
    write_file("429.json", 1, 'x');
    write_file("502.htm", 1, 'x');
    write_file("503.html", ERROR_PAGE_MOST + 1, 'x');
    assert_int_equal(mkfifo(path_of("504.html"), 0600), 0);
    assert_int_equal(symlink("nowhere", path_of("5xx.html")), 0);
    refused(folder,
            "403.html: is empty; write what clients are to see, or remove it\n"
            "418.html: pages are for 400, 403, 404, 405, 408, 413, 414, 417, 421, 429, 431, 501, "
            "502, 503, 504 and 505, and 4xx or 5xx for the rest of these\n"
            "429.json: 429.html is there, too; a status has one page\n"
            "502.htm: the name of a page must end in .html, .json or .txt\n"
            "503.html: is larger than 65536 bytes\n"
            "504.html: this is a FIFO or a pipe; a page must be a regular file\n"
            "5xx.html: cannot be read: No such file or directory\n");
}

static void a_folder_that_is_none(void **state) {
    (void)state;
    refused(folder, "there is no page in this folder; it must have files such as 503.html\n");
    write_file("file", 1, 'x');
    refused(path_of("file"), "this is no folder; it must be one, with files such as 503.html\n");
    refused(path_of("none"), "there is no such folder\n");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_status_has_its_page_or_that_of_its_class),
        cmocka_unit_test(no_pages_is_fine),
        WITH_FOLDER(what_is_no_page_does_not_matter),
        WITH_FOLDER(all_that_is_wrong_is_told),
        WITH_FOLDER(a_folder_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
