#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

/* Nobody shall execute it, says a kernel that knows how to (memfd_create(2), MFD_NOEXEC_SEAL, since
 * Linux 6.3). */
static int make_memory(const char *name) {
    enum { NOEXEC_SEAL = 8 };
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL);

    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

int shared_new(const char *name, size_t size) {
    int fd = make_memory(name);

    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int error = errno;
    fd_close(&fd);
    return -error;
}

bool shared_is_sealed(int fd, size_t size) {
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
           (size_t)st.st_size == size;
}
