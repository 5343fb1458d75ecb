/* What every unit test includes, in the order that cmocka asks for. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Under a sanitizer times say nothing, and what is done a million times takes long: fewer show the
 * same. */
#include "base/sanitized.h"

#endif
