/* What relayctl prints of the answers. False: an answer is not what a relayd says. */
#ifndef RELAYCTL_SCREENS_H
#define RELAYCTL_SCREENS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"
#include "relayctl/grid.h"
#include "relayctl/rows.h"

bool screen_status(const json_t *status, const json_t *servers, time_t now, FILE *out) MUST_USE;
bool screen_servers(const json_t *servers, time_t now, FILE *out) MUST_USE;
bool screen_blocks(const json_t *blocks, time_t now, FILE *out) MUST_USE;
bool screen_client(const char *client, const json_t *listeners, time_t now, FILE *out) MUST_USE;
bool screen_name(const char *name, const json_t *listeners, FILE *out) MUST_USE;
bool screen_ready(const json_t *ready, FILE *out) MUST_USE;

/* Of /connections there may be many: the grid's rows are added one by one. */
#define SCREEN_TLS_CLIENT 9 /* the column that is left out where nobody has a certificate */
struct grid screen_connection_grid(void);
void screen_add_connection(struct grid *grid, const struct connection_row *row);

#endif
