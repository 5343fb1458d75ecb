/* Type tcp: a server is up if it takes connections. The kernel does that, while its backlog has
 * room, even if the program hangs. */
#include "health/check.h"

const struct check_ops check_tcp_ops = {0};
