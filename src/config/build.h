/* From the tree of a file to a struct config. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config/config.h"
#include "config/problems.h"
#include "config/tree.h"

/* With all sections and each allowed value. Notes a problem for each other; references to upstreams
 * are for config_validate. NULL: no memory. */
struct config *config_build(const struct tree *tree, const char *path, struct problems *problems);

/* Notes what is missing, given twice or refers to nothing. Sets the listeners' upstreams. */
void config_validate(const struct tree *tree, struct config *config, struct problems *problems);

/* Copies the text. False: no memory. */
bool config_add_address(struct listen_address **list, size_t *n, const char *text, bool systemd,
                        const struct addr_spec *spec) MUST_USE;

/* As addr_parse, but no service. */
bool config_parse_listen(const char *text, struct addr_spec *ret, const char **ret_why) MUST_USE;

/* As addr_parse, but no port alone. */
bool config_parse_server(const char *text, struct addr_spec *ret, const char **ret_why) MUST_USE;

/* Sets the section's options in the zeroed struct at base. False: no memory. */
bool config_set_defaults(enum option_section section, void *base) MUST_USE;

/* Sets a row of type TEXT (text_options.c). NULL; or, in a clause, why the value is not allowed; or
 * CONFIG_NO_MEMORY. */
extern const char CONFIG_NO_MEMORY[];
const char *config_set_text(const struct option_info *row, const char *text, void *base);

/* Of a row of an upstream, a tls or health_check section in it, that is neither a file's path nor
 * `expect`: why the value is not allowed, in a clause, or NULL (text_upstream.c). */
const char *config_check_upstream_text(const struct option_info *row, const char *text);

/* Whether a row of type TEXT or TEXTS is a file's path: a credential there stands for its file,
 * not for its text. */
bool config_is_path(const struct option_info *row);

/* Why the value may not stand in a row of type TEXTS, in a clause, or NULL. */
const char *config_check_item(const struct option_info *row, const char *text);

/* Reads expect as the type wants it, once both are set. Returns the same. */
const char *config_read_expect(struct health_check_config *check);

/* Gives a route those of the listener's options that its section (NULL: none) has not. False: no
 * memory (inherit.c). */
bool config_inherit(struct config *config, const struct tree_section *section,
                    const struct listener_config *listener, struct route_config *route) MUST_USE;

/* Remembers that the value of an option is a secret, and how it was written. False: no memory. */
bool config_note_secret(struct config *config, const char *value, const char *written) MUST_USE;

/* Validates the servers of each upstream, and what must hold between options (validate_upstream.c,
 * validate_listener.c). */
void config_validate_upstream(const struct tree *tree, size_t section,
                              const struct upstream_config *upstream, struct problems *problems);
void config_validate_tls(const struct tree *tree, size_t section, struct config *config,
                         struct listener_config *listener,
                         struct problems *problems); /* validate_tls.c: reads its files */
void config_validate_upstream_tls(const struct tree *tree, size_t section, struct config *config,
                                  struct upstream_config *upstream, struct problems *problems);
void config_validate_balance(const struct tree *tree, struct config *config,
                             struct problems *problems); /* validate_balance.c */
void config_validate_loops(const struct tree *tree, const struct config *config,
                           struct problems *problems); /* validate_loops.c */
void config_validate_alpn(const struct tree *tree, const struct config *config,
                          struct problems *problems); /* validate_alpn.c */
void config_validate_listener(const struct tree *tree, size_t section,
                              struct listener_config *listener, struct problems *problems);
void config_validate_routes(const struct tree *tree, size_t section,
                            const struct listener_config *listener,
                            struct problems *problems); /* validate_routes.c */
void config_validate_http(const struct tree *tree, size_t section, struct listener_config *listener,
                          struct problems *problems); /* validate_http.c: reads its pages */
/* The same file: sets soonest_timeout by those of its routes and its own. */
void config_find_soonest_timeout(struct listener_config *listener);

#endif
