/* Secrets that systemd passes to the service: files in $CREDENTIALS_DIRECTORY (systemd.exec(5),
 * LoadCredential=). */
#ifndef CONFIG_CREDENTIAL_H
#define CONFIG_CREDENTIAL_H

/* The name in "credential:NAME"; NULL: the text is no such thing. */
const char *credential_name(const char *text);

/* Reads the text of a credential, without the line end after it. NULL, and *ret_text is to be
 * freed; or, in a clause, why it cannot be had; or CREDENTIAL_NO_MEMORY. */
extern const char CREDENTIAL_NO_MEMORY[];
const char *credential_read(const char *name, char **ret_text);

/* Where its file is, to be freed. Returns the same. */
const char *credential_path(const char *name, char **ret_path);

#endif
