/* From the tree of a file to a struct config. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config/config.h"
#include "config/problems.h"
#include "config/tree.h"

/* A config with all sections of the tree, and every value of it that is allowed. Notes a problem
 * for each that is not; references to upstreams are left to config_validate. NULL without
 * memory. */
struct config *config_build(const struct tree *tree, const char *path, struct problems *problems);

/* What only the whole file can tell: what is missing, given twice or not there. Sets the listeners'
 * upstreams. The config is the tree's. */
void config_validate(const struct tree *tree, struct config *config, struct problems *problems);

/* Adds an address to a listener; false without memory. Copies the text. */
bool config_add_address(struct listener_config *listener, const char *text, bool systemd,
                        const struct addr_spec *spec) MUST_USE;

/* Reads a listener's address: as addr_parse, but the name of a service is none. */
bool config_parse_listen(const char *text, struct addr_spec *ret, const char **ret_why) MUST_USE;

/* Reads a server's address: as addr_parse, but a port alone is none. */
bool config_parse_server(const char *text, struct addr_spec *ret, const char **ret_why) MUST_USE;

/* Every option of the section at its default, in the zeroed struct at base; false without
 * memory. */
bool config_set_defaults(enum option_section section, void *base) MUST_USE;

/* Sets a row of type TEXT (text_options.c): NULL; or why the value is not allowed, in a clause; or
 * CONFIG_NO_MEMORY. */
extern const char CONFIG_NO_MEMORY[];
const char *config_set_text(const struct option_info *row, const char *text, void *base);

/* Reads expect, whose meaning the type decides, once both are set. The same is returned. */
const char *config_read_expect(struct health_check_config *check);

/* The servers of each upstream, and what holds between options (validate_upstream.c,
 * validate_listener.c). */
void config_validate_upstream(const struct tree *tree, size_t section,
                              const struct upstream_config *upstream, struct problems *problems);
void config_validate_loops(const struct tree *tree, const struct config *config,
                           struct problems *problems); /* validate_loops.c */
void config_validate_listener(const struct tree *tree, size_t section,
                              struct listener_config *listener, struct problems *problems);

#endif
