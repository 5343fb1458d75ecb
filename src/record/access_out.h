/* Lines of the access log on their way to its file, and what is said of those that do not get
 * there. The access log's thread's alone, but for access_out_lose. */
#ifndef RECORD_ACCESS_OUT_H
#define RECORD_ACCESS_OUT_H

#include "record/access_file.h"
#include "record/access_line.h"

#define ACCESS_OUT_ROOM ((size_t)256 << 10) /* bytes of lines for one write */

/* Zeroed: no file, no lines. */
struct access_out {
    char bytes[ACCESS_OUT_ROOM + ACCESS_LINE_MAX];
    size_t begin, end;        /* of what is still to be written */
    struct access_file *file; /* a reference; NULL: none */
    int failed;               /* errno: it did not take the last, and that was told; 0: it did */
    bool is_new;              /* another name than the last that was written */
    usec_t told;              /* when something lost was told last; 0: never */
    struct access_clock clock;
};

/* What comes now goes there; takes the reference. A line that was torn at the end of a full disk is
 * lost, if this is another file; all are, if there is none. */
void access_out_use(struct access_out *out, struct access_file *file);

/* For one more line. */
bool access_out_has_room(const struct access_out *out);
void access_out_add(struct access_out *out, const struct request_record *record,
                    int64_t realtime_usec);

/* Writes what is there. True: all of it. Otherwise the rest stays, and that is told, once. */
bool access_out_write(struct access_out *out, const atomic_bool *give_up) MUST_USE;

/* Counts so many as lost, which is told when something is next written, or at the end. Any
 * thread. */
void access_out_lose(uint64_t n);

/* The rest is lost, and all that was is told. */
void access_out_end(struct access_out *out);

#endif
