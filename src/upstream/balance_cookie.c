/* For clients without a cookie that names a server, and for the rest of a search whose first is not
 * to be had (again.h): as in least_connections. */
#include "upstream/balance.h"

size_t balance_cookie(const struct candidate *list, size_t n, struct balance_hint *hint) {
    return balance_least_connections(list, n, hint);
}
