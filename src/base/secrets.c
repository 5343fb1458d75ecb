#include "base/secrets.h"

#include <sys/prctl.h>

#include "base/sanitized.h"

void secrets_keep(void) {
    if (!SANITIZED)
        (void)prctl(PR_SET_DUMPABLE, 0);
}
