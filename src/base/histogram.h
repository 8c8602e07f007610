/*
 * histogram.h: how often each duration occurred, from a microsecond to a quarter of an hour.
 *
 * Below 16 each value has its own bucket; above, each power of two has 16 of equal width, so that a
 * value is known to 1/16. Not synchronized: the owner's lock guards it.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 4,    /* of a value are kept */
    HISTOGRAM_POWERS = 26, /* of two, above the values that are exact */
    HISTOGRAM_BUCKETS = (HISTOGRAM_POWERS + 1) << HISTOGRAM_BITS,
};

/* Zeroed is empty. */
struct histogram {
    uint64_t n, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* Values above the last bucket's count there; max is exact. */
void histogram_add(struct histogram *h, uint64_t value);
/* The least value that so many percent of all are not above, to the precision of a bucket, whose
 * largest value it is; 0 if h is empty. percent: 1 to 100. */
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);

#endif
