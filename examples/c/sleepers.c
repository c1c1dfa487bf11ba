/* sleepers [count]: ten thousand virtual threads sleep at once, each for a time of its own.
 *
 * As OS threads they would want ten thousand stacks in the kernel; here they share one carrier.
 * Prints how late they woke, and fails if one woke early. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vt.h"

struct sleeper {
    int64_t vt;
    int64_t length_ms;
    int64_t late_ns; /* written by the sleeper, read after its join */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void nap(void *argument)
{
    struct sleeper *self = (struct sleeper *)argument;
    const int64_t due = now_ns() + self->length_ms * 1000000;
    vt_sleep(self->length_ms);
    self->late_ns = now_ns() - due;
}

static int by_lateness(const void *left, const void *right)
{
    const int64_t a = ((const struct sleeper *)left)->late_ns;
    const int64_t b = ((const struct sleeper *)right)->late_ns;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    const long count = argc > 1 ? atol(argv[1]) : 10000;
    long started = 0;
    if (count < 1) {
        fprintf(stderr, "usage: sleepers [count]\n");
        return 2;
    }
    struct sleeper *all = (struct sleeper *)calloc((size_t)count, sizeof *all);
    if (all == NULL)
        return 1;

    for (; started < count; started++) {
        all[started].length_ms = 100 + started * 7919 % 900;
        all[started].vt = vt_spawn(nap, &all[started]);
        if (all[started].vt == 0)
            break;
    }
    for (long i = 0; i < started; i++)
        drift_thread_join(all[i].vt);
    if (started < count) {
        fprintf(stderr, "sleepers: only %ld of %ld could be started\n", started, count);
        free(all);
        return 1;
    }

    qsort(all, (size_t)count, sizeof *all, by_lateness);
    const int64_t earliest = all[0].late_ns;
    printf("%ld sleepers woke; late by %.3f ms at p50, %.3f ms at p99, %.3f ms at most\n", count,
           (double)all[count / 2].late_ns / 1e6, (double)all[count * 99 / 100].late_ns / 1e6,
           (double)all[count - 1].late_ns / 1e6);
    free(all);
    if (earliest < 0) {
        fprintf(stderr, "sleepers: one woke %.3f ms early\n", (double)-earliest / 1e6);
        return 1;
    }
    return 0;
}
