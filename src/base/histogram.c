/*
 * histogram.c: a histogram with buckets of the same relative width.
 */
#include "base/histogram.h"

enum { EXACT = 1 << HISTOGRAM_BITS };

static unsigned bucket_of(uint64_t value)
{
    if (value < EXACT)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    if (power >= HISTOGRAM_POWERS)
        return HISTOGRAM_BUCKETS - 1;
    return (power + 1) * EXACT + (unsigned)(value >> power) - EXACT;
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < EXACT)
        return bucket;
    unsigned power = bucket / EXACT - 1;
    return ((uint64_t)(bucket % EXACT + EXACT + 1) << power) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[bucket_of(value)]++;
    h->n++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
    uint64_t rank = (h->n * percent + 99) / 100, below = 0;

    if (h->n == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        below += h->counts[i];
        if (below >= rank)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}
