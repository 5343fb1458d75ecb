/* Reads a configuration: from a file (config_load, in config.h) or from memory. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <stddef.h>

#include "config/config.h"

#define CONFIG_SIZE_MAX ((size_t)1 << 20) /* bytes of a file */

/* As config_load, of any bytes. name is the file's in messages, and becomes config.path. */
struct config *config_load_buffer(const char *name, const char *text, size_t size,
                                  config_error_fn *on_error, void *arg);

#endif
