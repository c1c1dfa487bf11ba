/* A program with large thread-locals gets its carriers all the same.
 *
 * glibc takes a program's thread-locals out of a thread's stack. pthread_create(3) refuses a
 * stack in which they do not fit, and accepts one in which nothing else does. So a carrier's
 * stack has to be larger here than elsewhere, by as much as they are.
 */
#include "harness.h"

/* Several times what the stack of a carrier is without it. */
#ifndef LARGE
#define LARGE (1 << 20)
#endif
static _Thread_local unsigned char large[LARGE];

static i64 started;
static i64 written;

/* No two neighbours alike, and none as in another's. */
static unsigned char expected(i64 index, i64 seed) {
    return (unsigned char)(index * 7 + (index >> 8) + seed);
}

static void fill(i64 seed) {
    for (i64 i = 0; i < LARGE; i++) {
        CHECK(large[i] == 0, "byte %lld is not fresh", (long long)i);
        large[i] = expected(i, seed);
    }
}

static void check(i64 seed) {
    for (i64 i = 0; i < LARGE; i++) {
        CHECK(large[i] == expected(i, seed), "byte %lld was changed", (long long)i);
    }
}

/* The first thread's own. */
static void check_untouched(void) {
    for (i64 i = 0; i < LARGE; i++) {
        CHECK(large[i] == 0, "byte %lld is a carrier's", (long long)i);
    }
}

/* With one carrier it stays on its OS thread, across its waits as well. */
static void body_writes(task *self) {
    fill(self->arg);
    drift_thread_yield();
    drift_thread_park_until(1);
    std_sleep(1);
    check(self->arg);
    self->result = 1;
}

static void on_the_default_executor(void) {
    task one;
    task_start(&one, body_writes, 1, drift_exec_default_get());
    task_ends(&one);
    EQUAL(one.result, 1);
    check_untouched();
}

/* Keeps its carrier until the other one has written its own too. */
static void body_writes_beside(task *self) {
    add(&started, 1);
    hold_for(&started, 2);
    fill(self->arg);
    add(&written, 1);
    hold_for(&written, 2);
    check(self->arg);
    self->result = 1;
}

static void on_2_carriers(void) {
    task two[2];
    i64 exec = make_executor(2);
    for (int i = 0; i < 2; i++) {
        task_start(&two[i], body_writes_beside, 1 + i, exec);
    }
    for (int i = 0; i < 2; i++) {
        task_ends(&two[i]);
        EQUAL(two[i].result, 1);
    }
    check_untouched();
}

static const test_case cases[] = {
    {"on_the_default_executor", on_the_default_executor},
    {"on_2_carriers", on_2_carriers},
};

CASES_MAIN(cases)
