#include "conn/copy_tls.h"
#include "tls/session.h"

void copy_tls_why(const struct tls_session *from, uint8_t alert, ssize_t n, bool heard,
                  char ret_why[TLS_REASON_MAX]) {
    enum tls_asked asked = from != NULL && !heard ? from->asked : TLS_NOT_ASKED;

    if (n == COPY_ALERTED)
        alert_words(alert, asked, ret_why);
    else
        alert_words_of_silence(n != COPY_BROKEN ? asked : TLS_NOT_ASKED, ret_why);
}
