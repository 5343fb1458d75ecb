#include "wire/tls_suite.h"

#include "base/check.h"

/* RFC 8446, B.4; RFC 5289, 3.2; RFC 7905, 2. */
static const struct tls_suite suites[] = {
    {TLS_1_3, 0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", TLS_AES_128_GCM, false},
    {TLS_1_3, 0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", TLS_AES_256_GCM, true},
    {TLS_1_3, 0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
     TLS_CHACHA20_POLY1305, false},
    {TLS_1_2, 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
     TLS_AES_128_GCM, false},
    {TLS_1_2, 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
     TLS_AES_128_GCM, false},
    {TLS_1_2, 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384",
     TLS_AES_256_GCM, true},
    {TLS_1_2, 0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
     TLS_AES_256_GCM, true},
    {TLS_1_2, 0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
     "ECDHE-ECDSA-CHACHA20-POLY1305", TLS_CHACHA20_POLY1305, false},
    {TLS_1_2, 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305",
     TLS_CHACHA20_POLY1305, false},
};

const struct tls_suite *tls_suite_at(size_t i) {
    return i < ARRAY_LEN(suites) ? &suites[i] : NULL;
}

const struct tls_suite *tls_suite_find(uint16_t id) {
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        if (suites[i].id == id)
            return &suites[i];
    return NULL;
}

const char *tls_version_name(uint16_t version) {
    return version == TLS_1_3 ? "TLSv1.3" : version == TLS_1_2 ? "TLSv1.2" : "";
}

const char *tls_suite_name(uint16_t id) {
    const struct tls_suite *suite = tls_suite_find(id);

    return suite != NULL ? suite->name : "";
}
