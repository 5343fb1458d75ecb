#include "tls/key_mode.h"

#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_GROUP "relayd"

/* Of a file of root and its group everybody's rights may be what lets the service read it. */
static bool may_need_group(const struct stat *st) {
    return st->st_gid == 0 && (st->st_uid == 0 || st->st_uid != geteuid());
}

void key_mode_check(const char *path, const char *what, struct tls_problems *problems) {
    struct stat st;

    if (stat(path, &st) < 0 || (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) == 0)
        return;
    unsigned mode = (unsigned)(st.st_mode & 07777);
    if ((st.st_mode & S_IROTH) == 0)
        tls_tell(problems, TLS_DOUBTFUL, "%s: %s may change %s in it (mode %04o): chmod go-w %s",
                 path, (st.st_mode & S_IWOTH) != 0 ? "everybody" : "its group", what, mode, path);
    else if (may_need_group(&st))
        tls_tell(problems, TLS_DOUBTFUL,
                 "%s: everybody on this machine may read %s in it (mode %04o): "
                 "chgrp " SERVICE_GROUP " %s && chmod 0640 %s",
                 path, what, mode, path, path);
    else
        tls_tell(problems, TLS_DOUBTFUL,
                 "%s: everybody on this machine may read %s in it (mode %04o): chmod go-w,o= %s",
                 path, what, mode, path);
}
