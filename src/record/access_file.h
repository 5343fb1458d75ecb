/* A file that lines of requests are appended to. Counted: a reload may take another while the
 * former one is still written. */
#ifndef RECORD_ACCESS_FILE_H
#define RECORD_ACCESS_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "config/config.h"

struct access_file {
    _Atomic unsigned refs;
    int fd; /* -1: it could not be made yet; its writer's, once it has one */
    enum access_format format;
    char path[];
};

/* Opens it for appending, or makes it, with mode 0640: a file, a device or a pipe. Without room on
 * the disk for a new one it is there without a descriptor, and access_file_write tries again. With
 * one reference. NULL: -errno in *ret_error. May take long. */
struct access_file *access_file_open(const char *path, enum access_format format,
                                     int *ret_error) MUST_USE;
struct access_file *access_file_ref(struct access_file *file);
void access_file_unref(struct access_file *file); /* NULL is fine */

/* What to do about it: a clause. */
const char *access_file_remedy(int error);

/* Writes as much as it takes: how many bytes; and in *ret_error 0, or errno of what ended it. Waits
 * for who reads a pipe; once *give_up is set, the next interrupt ends that. One thread at a
 * time. */
size_t access_file_write(struct access_file *file, const char *bytes, size_t n,
                         const atomic_bool *give_up, int *ret_error) MUST_USE;

#endif
