/* Saying that a resource of the system has run out: once, then at most every half minute for each
 * kind. */
#ifndef ROAD_EXHAUSTED_H
#define ROAD_EXHAUSTED_H

/* doing: what could not be done, as "accept a connection" completes "relayd could not ...". error:
 * the errno. Does nothing for an errno that is not about resources. Any thread, no leaf lock held.
 */
void exhausted_say(const char *doing, int error);

#endif
