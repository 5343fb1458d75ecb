/* Logs that the system has run out of something: each kind at most every 30 seconds. */
#ifndef ROAD_SHORTAGE_H
#define ROAD_SHORTAGE_H

/* doing completes "relayd could not ..."; error is the errno: nothing is logged if it is not about
 * resources. Any thread, no leaf lock held. */
void shortage_log(const char *doing, int error);

#endif
