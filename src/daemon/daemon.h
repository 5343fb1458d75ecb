/* The life of the process: start, tell systemd, wait for signals, reload, drain, stop. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

/* Runs until told to stop. Takes over the reference to config. HUP reads the file again; NULL:
 * config is from the command line. Returns EX_OK, or EX_UNAVAILABLE or EX_OSERR (sysexits.h) if it
 * could not start, which is logged. Main. */
int daemon_run(struct config *config, const char *file);

#endif
