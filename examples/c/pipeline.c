/* pipeline [items]: three stages hand items on, with nothing but park and unpark.
 *
 *     count ──place──▶ square ──place──▶ sum
 *
 * A place holds one item. Who finds it full (or empty) parks; who changes it unparks the other
 * side. An unpark that comes before the park is kept, so no item waits for ever; and one that is
 * left over ends a later park too soon, so every wait is a loop around its condition. */
#include <stdio.h>
#include <stdlib.h>

#include "vt.h"

enum { EMPTY = -1, END = -2 }; /* items are not negative */

struct place {
    int64_t item;  /* EMPTY, END or an item; read and written atomically, by both sides */
    int64_t giver; /* set before either side is submitted */
    int64_t taker;
};

struct pipeline {
    struct place counted, squared;
    int64_t items;
    int64_t total;
};

static void give(struct place *place, int64_t item)
{
    while (__atomic_load_n(&place->item, __ATOMIC_ACQUIRE) != EMPTY)
        drift_thread_park(0);
    __atomic_store_n(&place->item, item, __ATOMIC_RELEASE); /* pairs with the load in take */
    drift_thread_unpark(place->taker);
}

static int64_t take(struct place *place)
{
    int64_t item;
    while ((item = __atomic_load_n(&place->item, __ATOMIC_ACQUIRE)) == EMPTY)
        drift_thread_park(0);
    __atomic_store_n(&place->item, EMPTY, __ATOMIC_RELEASE); /* pairs with the load in give */
    drift_thread_unpark(place->giver);
    return item;
}

static void count(void *argument)
{
    struct pipeline *line = (struct pipeline *)argument;
    for (int64_t item = 0; item < line->items; item++)
        give(&line->counted, item);
    give(&line->counted, END);
}

static void square(void *argument)
{
    struct pipeline *line = (struct pipeline *)argument;
    int64_t item;
    while ((item = take(&line->counted)) != END)
        give(&line->squared, item * item);
    give(&line->squared, END);
}

static void sum(void *argument)
{
    struct pipeline *line = (struct pipeline *)argument;
    int64_t item;
    while ((item = take(&line->squared)) != END)
        line->total += item;
}

int main(int argc, char **argv)
{
    static const vt_function work[] = {count, square, sum};
    enum { STAGES = 3 };
    struct pipeline line = {{EMPTY, 0, 0}, {EMPTY, 0, 0}, argc > 1 ? atol(argv[1]) : 100000, 0};
    int64_t stages[STAGES];

    /* Spawned, not yet submitted: each must know its neighbours before any of them runs. */
    for (int i = 0; i < STAGES; i++) {
        stages[i] = vt_new(work[i], &line);
        if (stages[i] == 0) {
            fprintf(stderr, "pipeline: no memory for a virtual thread\n");
            return 1;
        }
    }
    line.counted.giver = stages[0];
    line.counted.taker = line.squared.giver = stages[1];
    line.squared.taker = stages[2];

    for (int i = 0; i < STAGES; i++) {
        if (drift_exec_submit(drift_exec_default_get(), stages[i]) != 0) {
            fprintf(stderr, "pipeline: the executor refused stage %d\n", i);
            return 1; /* the others wait for it: there is nothing to join */
        }
    }
    for (int i = 0; i < STAGES; i++)
        drift_thread_join(stages[i]);

    const int64_t n = line.items, expected = n < 1 ? 0 : (n - 1) * n * (2 * n - 1) / 6;
    printf("%lld items, sum of squares %lld\n", (long long)n, (long long)line.total);
    return line.total == expected ? 0 : 1;
}
