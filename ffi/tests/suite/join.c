/* Suite: joining. */
#include "suite.h"

static thread threads[32];

/* `join_all` of tasks that each park until a point in time. */
static void stress_join_all(void) {
    for (i64 i = 0; i < 32; i++) {
        std_spawn(&threads[i], body_park_absolute, 5);
    }
    for (i64 i = 0; i < 32; i++) {
        std_join_value(&threads[i], RESULT);
    }
}

static void join_twice_closed(void) {
    std_spawn(&threads[0], body_trivial, 0);
    std_join_value(&threads[0], RESULT);
    EQUAL(std_join(&threads[0]), CLOSED);
}

static void join_timeout_zero(void) {
    std_spawn(&threads[0], body_trivial, 0);
    int outcome = std_join_timeout(&threads[0], 0);
    if (outcome == VALUE) {
        LOST("the task was faster than its spawner");
    }
    EQUAL(outcome, TIMED_OUT);
    std_join_value(&threads[0], RESULT);
}

/* The process ends while the task is parked. */
static void join_timeout_nonzero(void) {
    i64 start = now_us();
    std_spawn(&threads[0], body_park_absolute, 50);
    int outcome = std_join_timeout(&threads[0], 1);
    if (outcome == VALUE && now_us() - start >= 50000) {
        LOST("held up for as long as the task lasts");
    }
    EQUAL(outcome, TIMED_OUT);
}

static void join_timeout_nonzero_ok(void) {
    std_spawn(&threads[0], body_park, 10);
    std_join_within(&threads[0], 200);
    EQUAL(threads[0].work.result, RESULT);
}

static void join_timeout_after_completion(void) {
    std_spawn(&threads[0], body_trivial, 0);
    drift_thread_park_until(5);
    if (drift_thread_is_completed(threads[0].work.vt) == 0) {
        std_join_value(&threads[0], RESULT);
        too_slow(5);
    }
    EQUAL(std_join_timeout(&threads[0], 0), VALUE);
    EQUAL(threads[0].work.result, RESULT);
}

static const test_case cases[] = {
    {"stress_join_all", stress_join_all},
    {"join_twice_closed", join_twice_closed},
    {"join_timeout_zero", join_timeout_zero},
    {"join_timeout_nonzero", join_timeout_nonzero},
    {"join_timeout_nonzero_ok", join_timeout_nonzero_ok},
    {"join_timeout_after_completion", join_timeout_after_completion},
};

CASES_MAIN(cases)
