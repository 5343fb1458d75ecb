/* Where the key of a certificate lies. Any thread. */
#ifndef TLS_KEY_FILE_H
#define TLS_KEY_FILE_H

#define CERTBOT_CHAIN "fullchain.pem" /* as certbot calls a certificate with its chain */

/* The paths, in their order, at which the key of a certificate's file may lie, besides that file:
 * fullchain.pem has privkey.pem (certbot), NAME.crt and NAME.pem have NAME.key (lego), FILE has
 * FILE.key (HAProxy). To be freed; NULL: there is no i-th, or no memory. */
char *key_file_beside(const char *file, int i);

#endif
