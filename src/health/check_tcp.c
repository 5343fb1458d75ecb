/* Type tcp: a server is up if it takes connections. Whether the program behind them works is not
 * seen: the kernel accepts for it, as long as there is room in the backlog. */
#include "health/check.h"

const struct check_ops check_tcp_ops = {0};
