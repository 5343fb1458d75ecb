/* What operators ordered of servers, below a screen of them. */
#ifndef RELAYCTL_DEVIATIONS_H
#define RELAYCTL_DEVIATIONS_H

#include <jansson.h>
#include <stdio.h>
#include <time.h>

/* For each server that differs from the file a line: why, by whom, and how long ago. */
void deviations_print(const json_t *servers, time_t now, FILE *out);

#endif
