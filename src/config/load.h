/* Reads a configuration: from a file (config_load, in config.h) or from memory. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <stddef.h>

#include "config/config.h"

/* As config_load, of any bytes. name is the file's in messages, and becomes config.path; includes
 * are relative to its folder. */
struct config *config_load_buffer(const char *name, const char *text, size_t size,
                                  config_error_fn *on_error, void *arg);

#endif
