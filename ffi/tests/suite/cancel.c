/* Suite: cancelling.
 *
 * The tests ask that a task which was just submitted is cancelled before it ends. Losing that
 * race is told apart from a wrong answer by whether the task can have ended by then.
 */
#include "suite.h"

static thread one;

/* The answer has to be 0, unless the task had the time to end. */
static void cancel_wins(i64 task_lasts_ms, i64 start_us) {
    if (std_cancel(&one) == 0) {
        return;
    }
    CHECK(now_us() - start_us >= task_lasts_ms * 1000, "cancel answers 1, and the task of %lld "
          "ms was not over", (long long)task_lasts_ms);
    EQUAL(std_join(&one), VALUE);
    LOST("the task ended before it was cancelled");
}

static void spawn_and_cancel(void (*body)(task *), i64 lasts_ms) {
    i64 start = now_us();
    std_spawn(&one, body, lasts_ms);
    cancel_wins(lasts_ms, start);
}

static void join_is_cancelled(void) {
    EQUAL(std_join(&one), CANCELLED);
}

static void cancel_before_start_join_returns_cancelled(void) {
    spawn_and_cancel(body_trivial, 0);
    join_is_cancelled();
}

static void cancel_before_start_join_timeout_nonzero_cancelled(void) {
    spawn_and_cancel(body_trivial, 0);
    EQUAL(std_join_timeout(&one, 50), CANCELLED);
}

static void cancel_before_start_join_timeout_zero_cancelled(void) {
    spawn_and_cancel(body_trivial, 0);
    EQUAL(std_join_timeout(&one, 0), CANCELLED);
    join_is_cancelled();
}

/* The second may answer 0 or 1; the first is not undone. */
static void cancel_idempotent(void) {
    spawn_and_cancel(body_trivial, 0);
    std_cancel(&one);
    join_is_cancelled();
}

static void cancel_then_join_closed(void) {
    spawn_and_cancel(body_trivial, 0);
    join_is_cancelled();
    EQUAL(std_join(&one), CLOSED);
}

static void cancel_prestart_does_not_execute_task(void) {
    spawn_and_cancel(body_trivial, 0);
    join_is_cancelled();
    if (get(&one.work.calls) != 0) {
        LOST("the task had started when it was cancelled");
    }
    task_never_ran(&one.work);
}

static void cancel_join(void) {
    spawn_and_cancel(body_park, 50);
    join_is_cancelled();
}

static void cancel_join_timeout(void) {
    spawn_and_cancel(body_park, 50);
    EQUAL(std_join_timeout(&one, 50), CANCELLED);
}

static void cancel_join_timeout_zero(void) {
    spawn_and_cancel(body_park, 10);
    EQUAL(std_join_timeout(&one, 0), CANCELLED);
    join_is_cancelled();
}

/* Value and Cancelled are both right. */
static void cancel_after_start_does_not_kill(void) {
    std_spawn(&one, body_park, 5);
    drift_thread_park_until(1);
    std_cancel(&one);
    if (std_join(&one) == VALUE) {
        EQUAL(one.work.result, RESULT);
    }
}

/* On a handle that is joined already. */
static void cancel_after_completion_no_effect(void) {
    std_spawn(&one, body_trivial, 0);
    std_join_value(&one, RESULT);
    EQUAL(std_cancel(&one), 1);
    EQUAL(one.work.result, RESULT);
    task_ran_once(&one.work);
}

static const test_case cases[] = {
    {"cancel_before_start_join_returns_cancelled", cancel_before_start_join_returns_cancelled},
    {"cancel_before_start_join_timeout_nonzero_cancelled",
     cancel_before_start_join_timeout_nonzero_cancelled},
    {"cancel_before_start_join_timeout_zero_cancelled",
     cancel_before_start_join_timeout_zero_cancelled},
    {"cancel_idempotent", cancel_idempotent},
    {"cancel_then_join_closed", cancel_then_join_closed},
    {"cancel_prestart_does_not_execute_task", cancel_prestart_does_not_execute_task},
    {"cancel_join", cancel_join},
    {"cancel_join_timeout", cancel_join_timeout},
    {"cancel_join_timeout_zero", cancel_join_timeout_zero},
    {"cancel_after_start_does_not_kill", cancel_after_start_does_not_kill},
    {"cancel_after_completion_no_effect", cancel_after_completion_no_effect},
};

CASES_MAIN(cases)
