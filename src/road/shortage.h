/* Logs what the system lacks, each kind at most every 30 seconds. */
#ifndef ROAD_SHORTAGE_H
#define ROAD_SHORTAGE_H

/* doing completes "relayd could not ...". Ignores an errno that is not about resources. Any thread,
 * no leaf lock held. */
void shortage_log(const char *doing, int error);

#endif
