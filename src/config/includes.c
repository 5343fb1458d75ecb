#include "config/includes.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/grow.h"

static bool append_include(struct includes *includes, const char *path, int line) {
    struct include *list =
        grow_list(includes->list, includes->n, &includes->room, sizeof(*includes->list));
    char *copy = strdup(path);
    struct stat st;

    if (list != NULL)
        includes->list = list;
    if (list == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    bool there = stat(path, &st) == 0;
    list[includes->n++] = (struct include){.path = copy,
                                           .by = includes->at,
                                           .line = line,
                                           .device = there ? st.st_dev : 0,
                                           .inode = there ? st.st_ino : 0};
    return true;
}

bool includes_begin(struct includes *includes, const char *path) {
    *includes = (struct includes){0};
    return append_include(includes, path, 0);
}

void includes_free(struct includes *includes) {
    for (size_t i = 0; i < includes->n; i++)
        free(includes->list[i].path);
    free(includes->list);
}

/* Whether the file that is read now is this one, or came by it. */
static bool came_by(const struct includes *includes, size_t file) {
    size_t at = includes->at;

    while (at != file && at != 0)
        at = includes->list[at].by;
    return at == file;
}

/* The file that this path is, under whatever name; includes->n: none that is known. */
static size_t find_same_file(const struct includes *includes, const char *path) {
    struct stat st;
    size_t i = 0;

    if (stat(path, &st) < 0)
        return includes->n; /* which its reader will tell */
    while (i < includes->n &&
           (includes->list[i].inode != st.st_ino || includes->list[i].device != st.st_dev))
        i++;
    return i;
}

static void add_one(struct includes *includes, const char *path, int line,
                    const struct places *places, struct problems *problems) {
    size_t same = find_same_file(includes, path);
    char first[PLACES_TEXT_MAX];

    if (includes->n == INCLUDES_MOST)
        problems_add(problems, line, "include: %s: there may be %d files at most", path,
                     INCLUDES_MOST);
    else if (same < includes->n && came_by(includes, same))
        problems_add(problems, line, "include: %s includes itself: files go round in a circle",
                     path);
    else if (same < includes->n)
        problems_add(problems, line, "include: %s is included twice; the first is on %s", path,
                     places_say(places, line, includes->list[same].line, first));
    else if (!append_include(includes, path, line))
        problems->out_of_memory = true;
}

#define MAGIC "*?["

/* What a relative pattern is relative to: the folder of the file that has it, as glob(7) takes it
 * literally (escaped), or as it is. */
static char *join_folder(const char *file, const char *pattern, bool escaped) {
    const char *slash = strrchr(file, '/');
    size_t n = slash == NULL || pattern[0] == '/' ? 0 : (size_t)(slash - file) + 1;
    char *joined = malloc(2 * n + strlen(pattern) + 1), *to = joined;

    if (joined == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (escaped && strchr(MAGIC "\\", file[i]) != NULL)
            *to++ = '\\';
        *to++ = file[i];
    }
    strcpy(to, pattern);
    return joined;
}

/* A folder that is not there has no files. One that cannot be looked into may have some. */
static int on_folder_error(const char *path, int error) {
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static void add_matches(struct includes *includes, const char *pattern, int line,
                        const struct places *places, struct problems *problems) {
    glob_t found = {0};
    int r = glob(pattern, 0, on_folder_error, &found);

    if (r == GLOB_NOSPACE)
        problems->out_of_memory = true;
    else if (r == GLOB_ABORTED)
        problems_add(problems, line, "include: %s: let user %u search and read the folders of this",
                     pattern, (unsigned)geteuid());
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        add_one(includes, found.gl_pathv[i], line, places, problems);
    globfree(&found);
}

void includes_add(struct includes *includes, const char *pattern, int line,
                  const struct places *places, struct problems *problems) {
    bool magic = strpbrk(pattern, MAGIC) != NULL;
    char *path = join_folder(includes->list[includes->at].path, pattern, magic);

    if (path == NULL)
        problems->out_of_memory = true;
    else if (pattern[0] == '\0')
        problems_add(problems, line,
                     "include \"\": must be the path of a file, or a pattern, as in "
                     "\"/etc/relayd.d/*.conf\"");
    else if (magic)
        add_matches(includes, path, line, places, problems);
    else
        add_one(includes, path, line, places, problems);
    free(path);
}

/* What to do about a file that cannot be read. kind: what it is, with EBADF. */
static int print_unreadable(char **ret, const char *path, bool first, int error, const char *kind) {
    switch (error) {
    case ENOENT:
        return asprintf(ret, "%s: there is no such file%s", path,
                        first ? "; name another with -f FILE, or run without one: "
                                "relayd --proxy HOST:PORT"
                              : "");
    case EACCES:
        return asprintf(ret,
                        "%s: permission denied; let user %u read the file and search its directory",
                        path, (unsigned)geteuid());
    case EBADF:
        return asprintf(ret, "%s: %s; %s", path, kind,
                        first
                            ? "name a regular file with -f FILE"
                            : "only regular files can be included, as in \"/etc/relayd.d/*.conf\"");
    case EFBIG:
        return asprintf(ret, "%s: larger than %zu bytes; is it a configuration?", path,
                        CONFIG_SIZE_MAX);
    default:
        errno = error;
        return asprintf(ret, "%s: cannot be read: %m", path);
    }
}

bool includes_read(const char *path, bool first, char *text, size_t *ret_n, char **ret_why) {
    const char *kind = NULL;
    size_t n = 0;
    int r = file_read(path, text, CONFIG_SIZE_MAX + 1, &n, &kind);

    if (r == 0 && n > CONFIG_SIZE_MAX)
        r = -EFBIG;
    if (r == 0)
        *ret_n = n;
    else if (print_unreadable(ret_why, path, first, -r, kind) < 0)
        *ret_why = NULL;
    return r == 0;
}
