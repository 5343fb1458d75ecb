#ifndef UPSTREAM_DNS_H
#define UPSTREAM_DNS_H
#include "base/addr.h"
#include "base/clock.h"
#define DNS_PLACES_MAX 64
struct dns_place { struct addr addr; unsigned priority; unsigned weight; };
struct dns_answer { size_t n; usec_t ttl; struct dns_place places[DNS_PLACES_MAX]; };
#endif
