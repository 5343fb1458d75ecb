/* What the log says of names: each thing once. The resolver's thread. */
#ifndef NAMES_NAMES_SAY_H
#define NAMES_NAMES_SAY_H

#include "names/names.h"

/* Whether its host, its service, and the hosts of that, can be looked up. */
void name_say_trouble(struct name *name);

/* What it stands for, if that is news, or if it could not be looked up before. */
void name_say_resolved(struct name *name);

/* It has so many endpoints; more than ENDPOINTS_MOST are not used. */
void name_say_cut(struct name *name, size_t found);

void name_say_no_memory(const struct name *name);

#endif
