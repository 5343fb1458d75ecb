/* libssl formats five lines for a handshake, of which two or one matter: the rest is not looked
 * at. */
#include "tls/keylog.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"

static int secrets_index = -1; /* of SSL_set_ex_data(3) */

static void take_secrets_index(void) {
    secrets_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Of the line's last word. 0: it is none of that form. */
static size_t read_log_secret(const char *line, uint8_t ret_secret[TLS_SECRET_MAX]) {
    const char *hex = strrchr(line, ' ');
    size_t n = 0;

    if (hex == NULL)
        return 0;
    for (hex++; hex[0] != '\0'; hex += 2) {
        int high = bytes_hex_digit(hex[0]), low = hex[1] != '\0' ? bytes_hex_digit(hex[1]) : -1;

        if (high < 0 || low < 0 || n == TLS_SECRET_MAX)
            return 0;
        ret_secret[n++] = (uint8_t)(high << 4 | low);
    }
    return n;
}

static bool has_label(const char *line, const char *label) {
    return strncmp(line, label, strlen(label)) == 0;
}

static void note_key_line(const SSL *ssl, const char *line) {
    struct tls_secrets *secrets = SSL_get_ex_data(ssl, secrets_index);

    if (secrets == NULL)
        return;
    if (has_label(line, "CLIENT_TRAFFIC_SECRET_0 "))
        secrets->n_client = read_log_secret(line, secrets->client);
    else if (has_label(line, "SERVER_TRAFFIC_SECRET_0 "))
        secrets->n_server = read_log_secret(line, secrets->server);
    else if (has_label(line, "CLIENT_RANDOM "))
        secrets->n_master = read_log_secret(line, secrets->master);
}

void tls_keylog_prepare(SSL_CTX *ctx) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, take_secrets_index);
    SSL_CTX_set_keylog_callback(ctx, note_key_line);
}

int tls_keylog_watch(SSL *ssl, struct tls_secrets *secrets) {
    return secrets_index >= 0 && SSL_set_ex_data(ssl, secrets_index, secrets) == 1 ? 0 : -ENOMEM;
}

void tls_keylog_leave(SSL *ssl) {
    (void)SSL_set_ex_data(ssl, secrets_index, NULL);
}
