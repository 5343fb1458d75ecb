/* Logs that the system has run out of something: each kind at most every 30 seconds. */
#ifndef ROAD_EXHAUSTED_H
#define ROAD_EXHAUSTED_H

/* doing completes "relayd could not ..."; error is the errno: nothing is logged if it is not about
 * resources. Any thread, no leaf lock held. */
void exhausted_say(const char *doing, int error);

#endif
