/* Suite: futures, which are virtual threads with a result buffer. */
#include "suite.h"

static thread first;
static thread second;

static void future_basic(void) {
    std_spawn(&first, body_park, 10);
    std_join_value(&first, RESULT);
}

/* `join_any`: polls in order, and backs off 1 ms between rounds. */
static thread *join_any(void) {
    for (;;) {
        if (drift_thread_is_completed(first.work.vt) == 1) {
            return &first;
        }
        if (drift_thread_is_completed(second.work.vt) == 1) {
            return &second;
        }
        drift_thread_park_until(1);
    }
}

static void future_group(void) {
    std_spawn(&first, body_park, 10);
    std_spawn(&second, body_park, 20);
    if (join_any() == &second) {
        CHECK(drift_thread_is_completed(first.work.vt) == 1, "20 ms end before 10 ms");
        LOST("held up between two polls until both had ended");
    }
    /* A result that `is_completed` announced is there to read. */
    EQUAL(first.work.result, RESULT);
    std_join_value(&first, RESULT);
    std_join_value(&second, RESULT);
}

static void future_join_timeout_nonzero_ok(void) {
    std_spawn(&first, body_park, 10);
    std_join_within(&first, 200);
    EQUAL(first.work.result, RESULT);
}

static void spawn_and_cancel(void) {
    std_spawn(&first, body_trivial, 0);
    if (std_cancel(&first) == 1) {
        EQUAL(std_join(&first), VALUE);
        LOST("the task ended before it was cancelled");
    }
}

static void future_cancel_before_start_join_cancelled(void) {
    spawn_and_cancel();
    EQUAL(std_join(&first), CANCELLED);
}

static void future_cancel_before_start_join_timeout_zero_cancelled(void) {
    spawn_and_cancel();
    EQUAL(std_join_timeout(&first, 0), CANCELLED);
    EQUAL(std_join(&first), CANCELLED);
}

static void future_cancel_after_completion_no_effect(void) {
    std_spawn(&first, body_park, 5);
    std_join_value(&first, RESULT);
    EQUAL(std_cancel(&first), 1);
    EQUAL(first.work.result, RESULT);
}

static const test_case cases[] = {
    {"future_basic", future_basic},
    {"future_group", future_group},
    {"future_join_timeout_nonzero_ok", future_join_timeout_nonzero_ok},
    {"future_cancel_before_start_join_cancelled", future_cancel_before_start_join_cancelled},
    {"future_cancel_before_start_join_timeout_zero_cancelled",
     future_cancel_before_start_join_timeout_zero_cancelled},
    {"future_cancel_after_completion_no_effect", future_cancel_after_completion_no_effect},
};

CASES_MAIN(cases)
