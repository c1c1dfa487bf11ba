/* lateness.h: a histogram that many threads fill at once, exact to 3 %.
 *
 * 32 linear steps for each power of two of nanoseconds. Counters are relaxed: a reader waits until
 * the writers have turned to another histogram, or accepts to miss the last few. */
#ifndef LATENESS_H
#define LATENESS_H

#include <stdint.h>

enum { STEP_BITS = 5, STEPS = 1 << STEP_BITS, BUCKETS = (64 - STEP_BITS + 1) * STEPS };

struct lateness {
    uint64_t bucket[BUCKETS];
    uint64_t early, worst_ns;
};

static inline unsigned lateness_bucket(uint64_t ns)
{
    if (ns < STEPS)
        return (unsigned)ns;
    const unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - STEP_BITS;
    return (shift + 1) * STEPS + (unsigned)((ns >> shift) & (STEPS - 1));
}

static inline void lateness_record(struct lateness *all, int64_t late_ns)
{
    if (late_ns < 0) {
        __atomic_fetch_add(&all->early, 1, __ATOMIC_RELAXED);
        return;
    }
    const uint64_t ns = (uint64_t)late_ns;
    uint64_t worst = __atomic_load_n(&all->worst_ns, __ATOMIC_RELAXED);
    __atomic_fetch_add(&all->bucket[lateness_bucket(ns)], 1, __ATOMIC_RELAXED);
    while (ns > worst && !__atomic_compare_exchange_n(&all->worst_ns, &worst, ns, 1,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
}

static inline uint64_t lateness_count(const struct lateness *all)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        count += __atomic_load_n(&all->bucket[i], __ATOMIC_RELAXED);
    return count;
}

/* The lateness in microseconds that `share` of the sleepers stayed within; 0 if there are none. */
static inline double lateness_at(const struct lateness *all, double share)
{
    const double wanted = share * (double)lateness_count(all);
    uint64_t seen = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += __atomic_load_n(&all->bucket[i], __ATOMIC_RELAXED);
        if (seen > 0 && (double)seen >= wanted) {
            const unsigned shift = i < STEPS ? 0 : i / STEPS - 1;
            const uint64_t low = i < STEPS ? i : (uint64_t)(STEPS + i % STEPS) << shift;
            return (double)low / 1e3;
        }
    }
    return 0;
}

#endif
