#include "listen/accept_failure.h"

#include <errno.h>

#include "base/stats.h"

enum accept_failure accept_failure_count(int error) {
    switch (error) {
    case EMFILE:
        stats_add(STAT_accept_emfile, 1);
        return ACCEPT_FAILURE_RESOURCES;
    case ENFILE:
        stats_add(STAT_accept_enfile, 1);
        return ACCEPT_FAILURE_RESOURCES;
    case ENOBUFS:
        stats_add(STAT_accept_enobufs, 1);
        return ACCEPT_FAILURE_RESOURCES;
    case ENOMEM:
        stats_add(STAT_accept_enomem, 1);
        return ACCEPT_FAILURE_RESOURCES;
    /* accept(2), "Error handling": errors of the new connection's network, to be taken as a retry.
     */
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        stats_add(STAT_accept_aborted, 1);
        return ACCEPT_FAILURE_PEER;
    default:
        stats_add(STAT_accept_other, 1);
        return ACCEPT_FAILURE_OTHER;
    }
}
