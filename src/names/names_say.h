/* What is logged of names, each thing once. The resolver's thread. */
#ifndef NAMES_NAMES_SAY_H
#define NAMES_NAMES_SAY_H

#include "names/names.h"

/* A host that several servers have is told of once, as of the first that hears of it. */

/* That its host or service, or a target's host, cannot be looked up. */
void name_say_trouble(struct name *name);

/* What it stands for, if that is news, or could not be looked up before. */
void name_say_resolved(struct name *name);

/* That of so many endpoints ENDPOINTS_MOST are used. */
void name_say_cut(struct name *name, size_t found);

void name_say_no_memory(const struct name *name);

#endif
