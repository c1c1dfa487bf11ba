/* Calls each of the 24 symbols once, in one plausible order. */
#include "harness.h"

static i64 readable;
static i64 timer_fd;

static void child(task *self) {
    self->result = drift_thread_current();
    drift_thread_park(0);
}

static void parent(task *self) {
    task one;
    i64 here = drift_thread_current();
    EQUAL(here, self->vt);
    task_start(&one, child, 0, drift_exec_default_get());
    EQUAL(drift_thread_is_completed(one.vt), 0);
    EQUAL(drift_thread_join_timeout(one.vt, 1), 1);
    drift_thread_unpark(one.vt);
    task_join(&one);
    EQUAL(one.result, one.vt);

    drift_reactor_register_io(readable, DRIFT_INTEREST_READ, here, 0);
    drift_test_eventfd_write(readable, 1);
    drift_thread_park(0);

    drift_test_timerfd_set(timer_fd, 5);
    drift_reactor_register_io(timer_fd, DRIFT_INTEREST_READ, here, drift_time_now_ms() + 60000);
    drift_thread_park(0);

    span start = span_start();
    drift_reactor_register_timer(drift_time_now_ms() + 5, here);
    drift_thread_park_until(5);
    NOT_SHORT(start, 5);
    self->result = 1;
}

static void smoke(void) {
    task one;
    task refused;
    i64 exec = drift_exec_create(1, 2, 0, 0, DRIFT_SATURATION_BLOCK);
    CHECK(exec > 0, "no executor");
    drift_exec_default_set(exec);
    EQUAL(drift_exec_default_get(), exec);
    CHECK(drift_reactor_default_get() != 0, "no reactor");
    drift_reactor_default_set(drift_reactor_default_get());
    CHECK(drift_time_now_ms() >= 0, "negative time");
    EQUAL(drift_thread_current(), 0);
    readable = drift_test_eventfd_create();
    timer_fd = drift_test_timerfd_create();
    CHECK(readable > 0 && timer_fd > 0, "no descriptors");

    task_start(&one, parent, 0, exec);
    task_join(&one);
    EQUAL(one.result, 1);

    drift_exec_submit_test_override(1);
    task_spawn(&refused, child, 0);
    EQUAL(drift_exec_submit(exec, refused.vt), 1);
    drift_exec_submit_test_override(-1);
    drift_thread_drop(refused.vt);
    task_never_ran(&refused);
    EQUAL(drift_thread_cancel(refused.vt), 1);
}

static const test_case cases[] = {
    {"smoke", smoke},
};

CASES_MAIN(cases)
