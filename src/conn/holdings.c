#include "conn/holdings.h"

#include <stdlib.h>

#include "base/fd.h"
#include "tls/session.h"

void holdings_give_back(struct holdings *holdings) {
    struct holdings taken = holdings_take(holdings);

    fd_close(&taken.client);
    fd_close(&taken.server);
    tls_session_free(taken.client_tls);
    tls_session_free(taken.server_tls);
    free(taken.shown);
    line_leave(taken.line, taken.member);
    seat_leave(&taken.seat);
}
