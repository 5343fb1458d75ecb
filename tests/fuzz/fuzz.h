/* What every fuzz target includes. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* libFuzzer calls it with ever new bytes; whatever they are, it must return 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
