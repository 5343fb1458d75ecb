/* What a certificate says, and what is doubtful about it. Any thread. */
#ifndef TLS_CERTIFICATE_FACTS_H
#define TLS_CERTIFICATE_FACTS_H

#include "tls/certificate.h"

/* Sets the facts of a certificate whose chain and key were read, and tells of what is wrong: a weak
 * key, a chain that is in disorder, a time that is not now. */
void certificate_note_facts(struct tls_certificate *certificate, struct tls_problems *problems);

/* Tells if the chain may be incomplete: what comes next is trusted neither by this machine nor by
 * known, which whoever uses the certificate trusts anyway. */
void certificate_check_complete(const struct tls_certificate *certificate, X509_STORE *known,
                                struct tls_problems *problems);

/* Since 1970; 0: it cannot be read. */
int64_t certificate_seconds(const ASN1_TIME *time);

/* For people, in one line of printable UTF-8: "E7 (Let's Encrypt)". To be freed; NULL: no
 * memory. */
char *certificate_say_name(const X509_NAME *name);

#endif
