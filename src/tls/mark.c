#include "tls/mark.h"

#include <sys/stat.h>

struct file_mark file_mark_take(const char *path) {
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct file_mark){0};
    return (struct file_mark){.device = st.st_dev,
                              .inode = st.st_ino,
                              .size = (uint64_t)st.st_size,
                              .changed = st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec};
}

bool file_mark_is(const struct file_mark *mark, const char *path) {
    struct file_mark now = file_mark_take(path);

    return now.device == mark->device && now.inode == mark->inode && now.size == mark->size &&
           now.changed == mark->changed;
}
