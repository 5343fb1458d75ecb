/* What is said of an unknown option or section. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "config/problems.h"
#include "config/tree.h"

/* Notes an unknown name: where it belongs, which known one was probably meant, or which are known.
 * is_section: it was written as NAME [TITLE] {...}. */
void suggest_name(const struct tree *tree, size_t section, int line, const char *name,
                  bool is_section, struct problems *problems);

/* Whether sections of this name exist, anywhere. */
bool suggest_is_section(const char *name);

/* Whether whoever wrote word probably meant this one. */
bool suggest_is_near(const char *word, const char *meant);

#endif
