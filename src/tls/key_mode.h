/* Who may read a file with secrets. */
#ifndef TLS_KEY_MODE_H
#define TLS_KEY_MODE_H

#include "tls/problems.h"

/* Tells (TLS_DOUBTFUL) if everybody may read this file, or others than its owner may change it. Its
 * group may read it: so services get at keys. what is in it: "the private key". Any thread. */
void key_mode_check(const char *path, const char *what, struct tls_problems *problems);

#endif
