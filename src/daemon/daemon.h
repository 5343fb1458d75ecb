/* The life of the process: start, tell systemd, wait for signals, reload, drain, stop. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "config/config.h"

/* Runs until it is told to stop. Takes over the reference to config, which came from this file,
 * read again on HUP; NULL: from the command line. Returns the exit status, of sysexits.h: EX_OK, or
 * EX_UNAVAILABLE or EX_OSERR if it could not start, which has been logged. The main thread. */
int daemon_run(struct config *config, const char *file);

#endif
