#include "config/foreign.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"

static const char nginx[] = "nginx", haproxy[] = "HAProxy", both[] = "nginx and HAProxy";

/* Those that begin a line there and are no option of relayd. */
static const struct foreign words[] = {
    {"acl", haproxy, NULL},
    {"add_header", nginx, "add_response"},
    {"backend", haproxy, NULL},
    {"bind", haproxy, NULL},
    {"client_header_timeout", nginx, "head_timeout"},
    {"client_max_body_size", nginx, "max_body"},
    {"daemon", both, NULL},
    {"default-server", haproxy, NULL},
    {"default_backend", haproxy, NULL},
    {"defaults", haproxy, NULL},
    {"error_log", nginx, NULL},
    {"error_page", nginx, "error_pages"},
    {"errorfile", haproxy, "error_pages"},
    {"errorfiles", haproxy, "error_pages"},
    {"events", nginx, NULL},
    {"frontend", haproxy, NULL},
    {"global", haproxy, NULL},
    {"http", nginx, NULL},
    {"http-request", haproxy, "set_request, add_request, remove_request or redirect"},
    {"http-response", haproxy, "set_response, add_response or remove_response"},
    {"least_conn", nginx, NULL},
    {"listen", both, NULL},
    {"location", nginx, "a route by path, as in route \"/api/\" { upstream = api }"},
    {"log", haproxy, NULL},
    {"maxconn", haproxy, NULL},
    {"nbthread", haproxy, NULL},
    {"option", haproxy, NULL},
    {"pid", nginx, NULL},
    {"proxy_connect_timeout", nginx, NULL},
    {"proxy_hide_header", nginx, "remove_response"},
    {"proxy_pass", nginx, NULL},
    {"proxy_protocol", nginx, NULL},
    {"proxy_read_timeout", nginx, "response_timeout"},
    {"proxy_set_header", nginx, "set_request; X-Forwarded-For and the like are there without it"},
    {"proxy_timeout", nginx, NULL},
    {"resolver", nginx, NULL},
    {"resolvers", haproxy, NULL},
    {"return", nginx, "redirect"},
    {"rewrite", nginx, "redirect or strip_prefix"},
    {"server_name", nginx, "a route by host, as in route \"www.example.com\" { upstream = app }"},
    {"set_real_ip_from", nginx, "trusted_proxies"},
    {"stats", haproxy, NULL},
    {"stream", nginx, NULL},
    {"timeout", haproxy, NULL},
    {"use_backend", haproxy, "a route, as in route \"www.example.com/api/\" { upstream = api }"},
    {"user", nginx, NULL},
    {"worker_connections", nginx, NULL},
    {"worker_processes", nginx, NULL},
};

const struct foreign *foreign_find(const char *word) {
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].word, word) == 0)
            return &words[i];
    return NULL;
}

/* Why there is no such option. */
static const char all_suites[] = "servers are offered all suites that relayd has";
static const char all_groups[] = "servers are offered all groups that libssl has";
static const char all_versions[] = "servers are offered TLS 1.2 and 1.3";
static const char no_sessions[] = "no sessions are kept with servers";
static const char no_crl[] = "lists of revoked certificates are for those of clients";
static const char by_name[] =
    "names are those in the certificates; route \"sni:NAME\" parts clients by name";
static const char no_dh[] = "it is not needed: keys are agreed on by groups (ECDHE) alone";
static const char no_ocsp[] = "relayd staples no answers of OCSP";
static const char no_max[] = "the greatest version is 1.3, always";
static const char order[] = "the order in ciphers counts, and the client's where there is none";
static const char no_host[] = "names of clients' certificates are not looked at";

/* Options have other names in each program, and some have more than one: "ssl-min-ver" is min_ver
 * here. */
static const struct tls_word {
    const char *word, *listener, *upstream; /* as foreign_find_tls tells it; NULL: as the former */
} tls_words[] = {
    {"alpn_protos", "alpn", NULL},
    {"ca_cert", "ca", NULL},
    {"ca_certificate", "ca", NULL},
    {"ca_file", "ca", NULL},
    {"ca_path", "ca", NULL},
    {"cacert", "ca", NULL},
    {"cafile", "ca", NULL},
    {"cert", "certificate", NULL},
    {"cert_file", "certificate", NULL},
    {"certfile", "certificate", NULL},
    {"certificate", "certificate", NULL},
    {"certificate_file", "certificate", NULL},
    {"certificate_key", "key", NULL},
    {"certificates", "certificate", NULL},
    {"certs", "certificate", NULL},
    {"cipher", "ciphers", all_suites},
    {"cipher_list", "ciphers", all_suites},
    {"cipher_suites", "ciphers", all_suites},
    {"ciphers", "ciphers", all_suites},
    {"ciphersuites", "ciphers", all_suites},
    {"client_auth", "verify_client", "who asks for a client's certificate is the server"},
    {"client_ca", "ca", NULL},
    {"client_ca_file", "ca", NULL},
    {"client_certificate", "ca", "certificate"},
    {"client_verify", "verify_client", "verify"},
    {"crl", "crl", no_crl},
    {"crl_file", "crl", no_crl},
    {"crt", "certificate", NULL},
    {"crt_list", "certificate", NULL},
    {"curves", "groups", all_groups},
    {"dh_param_file", no_dh, NULL},
    {"dhparam", no_dh, NULL},
    {"dhparams", no_dh, NULL},
    {"early_data", "relayd takes no early data (0-RTT)", NULL},
    {"ecdh_curve", "groups", all_groups},
    {"ecdhe", "groups", all_groups},
    {"groups", "groups", all_groups},
    {"h2", "alpn", NULL},
    {"http2", "alpn", NULL},
    {"insecure", "verify_client", "verify"},
    {"insecure_skip_verify", "verify_client", "verify"},
    {"key_file", "key", NULL},
    {"keyfile", "key", NULL},
    {"max_ver", no_max, NULL},
    {"max_version", no_max, NULL},
    {"min_proto_version", "min_version", all_versions},
    {"min_protocol", "min_version", all_versions},
    {"min_ver", "min_version", all_versions},
    {"min_version", "min_version", all_versions},
    {"minimum_version", "min_version", all_versions},
    {"name", by_name, "name"},
    {"no_tickets", "tickets", no_sessions},
    {"no_tls_tickets", "tickets", no_sessions},
    {"ocsp", no_ocsp, NULL},
    {"pem", "certificate", NULL},
    {"pem_file", "certificate", NULL},
    {"prefer_client_ciphers", order, NULL},
    {"prefer_server_ciphers", order, NULL},
    {"private_key", "key", NULL},
    {"privkey", "key", NULL},
    {"protocols", "min_version", all_versions},
    {"protos", "min_version", all_versions},
    {"server_name", by_name, "name"},
    {"session_cache", "there is none: sessions are in tickets", no_sessions},
    {"session_reuse", "tickets", no_sessions},
    {"session_ticket_key", "ticket_keys", no_sessions},
    {"session_tickets", "tickets", no_sessions},
    {"session_timeout", "a ticket ends with its key, after 36 hours", no_sessions},
    {"sni", by_name, "name"},
    {"ssl", "a section is what makes it so: tls { certificate = \"FILE\" }",
     "a section is what makes it so: tls {}"},
    {"stapling", no_ocsp, NULL},
    {"ticket_key", "ticket_keys", no_sessions},
    {"ticket_keys", "ticket_keys", no_sessions},
    {"tickets", "tickets", no_sessions},
    {"trusted_certificate", "ca", NULL},
    {"verify", "verify_client", "verify"},
    {"verify_client", "verify_client", "verify"},
    {"verify_depth", "any depth is taken", NULL},
    {"verify_host", no_host, "name"},
    {"verify_peer", "verify_client", "verify"},
    {"verifyhost", no_host, "name"},
    {"versions", "min_version", all_versions},
};

#define TLS_WORD_MAX 32

/* "proxy_ssl_verify" is verify, "ca-file" ca_file, "ssl_min_ver" min_ver. */
static void reduce_tls_word(const char *word, char reduced[TLS_WORD_MAX]) {
    static const char *const prefixes[] = {"proxy_", "ssl_", "tls_"};
    size_t n = 0;

    for (; word[n] != '\0' && n < TLS_WORD_MAX - 1; n++)
        reduced[n] = word[n] == '-' ? '_' : (char)tolower((unsigned char)word[n]);
    reduced[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t length = strlen(prefixes[i]);

        if (strncmp(reduced, prefixes[i], length) == 0)
            memmove(reduced, reduced + length, n + 1 - length);
        n = strlen(reduced);
    }
}

const char *foreign_find_tls(const char *word, enum option_section here) {
    bool upstream =
        here == SECTION_UPSTREAM || here == SECTION_UPSTREAM_TLS || here == SECTION_SERVER;
    char reduced[TLS_WORD_MAX];

    reduce_tls_word(word, reduced);
    for (size_t i = 0; i < ARRAY_LEN(tls_words); i++) {
        const struct tls_word *one = &tls_words[i];

        if (strcmp(one->word, reduced) == 0)
            return upstream && one->upstream != NULL ? one->upstream : one->listener;
    }
    return NULL;
}
