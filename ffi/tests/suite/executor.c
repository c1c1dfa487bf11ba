/* Suite: executors. */
#include "suite.h"

static thread first;
static thread second;

/* Never joined: the process ends with `main`'s code, whatever the task does. */
static void executor_build(void) {
    i64 exec = drift_exec_create(1, 2, 8, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor");
    EQUAL(std_spawn_on(&first, body_trivial, 0, exec), VALUE);
}

static void spawn_on_executes(void) {
    EQUAL(std_spawn_on(&first, body_trivial, 0, drift_exec_default_get()), VALUE);
}

/* The second submit is refused while the first task waits or runs; it parks soon, and a parked
 * one does not count. */
static void queue_limit_enforced(void) {
    i64 exec = drift_exec_create(1, 1, 1, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor");
    EQUAL(std_spawn_on(&first, body_park, 20, exec), VALUE);
    int outcome = std_spawn_on(&second, body_trivial, 0, exec);
    if (outcome == VALUE) {
        std_join_value(&second, RESULT);
        LOST("the first task was parked already");
    }
    EQUAL(outcome, BUSY);
    task_never_ran(&second.work);
}

static void default_executor_override(void) {
    i64 exec = drift_exec_create(1, 1, 1, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor");
    drift_exec_default_set(exec);
    EQUAL(drift_exec_default_get(), exec);
    i64 start = now_us();
    std_spawn(&first, body_park, 20);
    EQUAL(first.submit_code, 0);
    std_spawn(&second, body_trivial, 0);
    if (second.submit_code == 0) {
        std_join_value(&second, RESULT);
        LOST("the first task was parked already");
    }
    EQUAL(std_join(&second), FAILED);
    EQUAL(second.submit_code, 1);
    task_never_ran(&second.work);
    if (std_cancel(&first) == 1) {
        CHECK(now_us() - start >= 20000, "a task of 20 ms was over already");
        LOST("held up until the first task had ended");
    }
    EQUAL(std_join(&first), CANCELLED);
}

static void spawn_default_exec_busy(void) {
    drift_exec_submit_test_override(1);
    std_spawn(&first, body_trivial, 0);
    EQUAL(std_join(&first), FAILED);
    EQUAL(first.submit_code, 1);
    task_never_ran(&first.work);
    drift_exec_submit_test_override(-1);
}

static void spawn_on_busy_timeout(void) {
    i64 exec = drift_exec_default_get();
    drift_exec_submit_test_override(1);
    EQUAL(std_spawn_on(&first, body_trivial, 0, exec), BUSY);
    drift_exec_submit_test_override(2);
    EQUAL(std_spawn_on(&first, body_trivial, 0, exec), TIMED_OUT);
    task_never_ran(&first.work);
    drift_exec_submit_test_override(-1);
    EQUAL(std_spawn_on(&first, body_trivial, 0, exec), VALUE);
    std_join_value(&first, RESULT);
}

/* Compiles, links and ends: the policy builder is the library's. */
static void builder_chain(void) {
}

static const test_case cases[] = {
    {"executor_build", executor_build},
    {"spawn_on_executes", spawn_on_executes},
    {"queue_limit_enforced", queue_limit_enforced},
    {"default_executor_override", default_executor_override},
    {"spawn_default_exec_busy", spawn_default_exec_busy},
    {"spawn_on_busy_timeout", spawn_on_busy_timeout},
    {"builder_chain", builder_chain},
};

CASES_MAIN(cases)
