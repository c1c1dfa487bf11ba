/* After every kind of wait and wake, the next sleep lasts its full length.
 *
 * Each case is one wait, done so that something of it is left over if anything can be: a deadline
 * still to come, a watch on a descriptor that becomes ready, a child that ends, a second wake.
 * Then comes one of four kinds of sleep, on 1 and on 2 carriers, twice over, since what the first
 * round leaves may only hit the second.
 *
 * Arguments: milliseconds of each sleep (30).
 */
#include "harness.h"

/* Of the round at hand. */
static i64 sleeper;
static i64 eventfd_ready;
static i64 limited;
static i64 others;
static task children[64];
static int child_count;
/* `body_hold` keeps its carrier until this is 1. */
static i64 hold;

static task *next_child(void) {
    CHECK(child_count < 64, "too many children");
    return &children[child_count++];
}

/* Within the sleep that follows, and more than once. */
static void body_disturb_late(task *self) {
    for (int i = 0; i < 3; i++) {
        drift_thread_park_until(4);
        drift_test_eventfd_write(self->arg, 1);
    }
}

static void disturb_late(i64 fd) {
    task_start(next_child(), body_disturb_late, fd, others);
}

static void body_unpark_sleeper(task *self) {
    drift_thread_park_until(self->arg);
    drift_thread_unpark(get(&sleeper));
}

static void unpark_me_in(i64 ms) {
    task_start(next_child(), body_unpark_sleeper, ms, others);
}

/* The wait that began at `start` was to end before its deadline, by the unpark. On a machine that
 * is slow enough the deadline comes first, and then the unpark is left over rightly: take it. */
static void take_late_unpark(span start, i64 deadline_ms) {
    if (now_us() - start.us < deadline_ms * 1000) {
        return;
    }
    for (int i = 0; i < child_count; i++) {
        drift_thread_join(children[i].vt);
    }
    drift_reactor_register_timer(-1, sleeper);
    drift_thread_park(0);
}

static void body_park_for(task *self) {
    drift_thread_park_until(self->arg);
}

static void nothing(void) {
}

static void park_then_unpark(void) {
    unpark_me_in(2);
    drift_thread_park(0);
}

static void permit_before_park(void) {
    drift_thread_unpark(sleeper);
    drift_thread_unpark(sleeper);
    drift_thread_park(0);
}

static void park_until_times_out(void) {
    drift_thread_park_until(3);
}

static void park_until_absolute_times_out(void) {
    drift_thread_park_until(drift_time_now_ms() + 3);
}

/* Its own deadline would come in the middle of the sleep. */
static void park_until_woken_early(void) {
    span start = span_start();
    unpark_me_in(2);
    drift_thread_park_until(12);
    take_late_unpark(start, 12);
}

static void park_until_absolute_woken_early(void) {
    span start = span_start();
    unpark_me_in(2);
    drift_thread_park_until(drift_time_now_ms() + 12);
    take_late_unpark(start, 12);
}

static void io_ready_before_deadline(void) {
    drift_reactor_register_io(eventfd_ready, DRIFT_INTEREST_READ, sleeper, 12);
    drift_thread_park(0);
}

static void io_ready_in_park_before_deadline(void) {
    i64 fd = drift_test_eventfd_create();
    disturb_late(fd);
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, sleeper, drift_time_now_ms() + 14);
    drift_thread_park(0);
}

/* Becomes ready, again and again, after the wait for it is over. */
static void io_deadline_before_ready(void) {
    i64 fd = drift_test_eventfd_create();
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, sleeper, 3);
    drift_thread_park(0);
    disturb_late(fd);
}

static void io_deadline_over_already(void) {
    i64 fd = drift_test_eventfd_create();
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, sleeper, -1);
    drift_thread_park(0);
    disturb_late(fd);
}

static void io_ended_by_an_unpark(void) {
    i64 fd = drift_test_eventfd_create();
    span start = span_start();
    unpark_me_in(2);
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, sleeper, 12);
    drift_thread_park(0);
    take_late_unpark(start, 12);
    disturb_late(fd);
}

static void timer_then_park(void) {
    drift_reactor_register_timer(drift_time_now_ms() + 3, sleeper);
    drift_thread_park(0);
}

static void timer_over_already(void) {
    drift_reactor_register_timer(1, sleeper);
    drift_reactor_register_timer(-1, sleeper);
    drift_thread_park(0);
}

/* Two wakes for one wait: the timer of the wait must end with it. */
static void timer_ended_by_an_unpark(void) {
    span start = span_start();
    unpark_me_in(2);
    drift_reactor_register_timer(drift_time_now_ms() + 12, sleeper);
    drift_thread_park(0);
    take_late_unpark(start, 12);
}

static void sleep_as_the_library(void) {
    std_sleep(4);
}

static void join_of_a_child(void) {
    task *child = next_child();
    task_start(child, body_park_for, 3, others);
    drift_thread_join(child->vt);
}

static void join_of_one_that_ended(void) {
    task *child = next_child();
    task_start(child, body_park_for, 1, others);
    while (drift_thread_is_completed(child->vt) == 0) {
        drift_thread_yield();
    }
    drift_thread_join(child->vt);
}

/* The child ends in the middle of the sleep. */
static void join_timeout_times_out(void) {
    task *child = next_child();
    task_start(child, body_park_for, 12, others);
    drift_thread_join_timeout(child->vt, 3);
}

/* The time would run out in the middle of the sleep. */
static void join_timeout_completes(void) {
    task *child = next_child();
    task_start(child, body_park_for, 3, others);
    drift_thread_join_timeout(child->vt, 14);
}

static void cancel_of_another(void) {
    task *child = next_child();
    task_start(child, body_park_for, 60000, others);
    drift_thread_park_until(2);
    EQUAL(drift_thread_cancel(child->vt), 0);
    drift_thread_join(child->vt);
}

static void block_on_io_ready(void) {
    std_block_on_io(eventfd_ready, DRIFT_INTEREST_READ, 12);
}

/* Arms the deadline twice, as the library does. */
static void block_on_io_times_out(void) {
    i64 fd = drift_test_eventfd_create();
    std_block_on_io(fd, DRIFT_INTEREST_READ, 3);
    disturb_late(fd);
}

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_hold(task *self) {
    spin_for(&hold, self->arg);
}

/* The executor lets one in at a time and has 5 ms of patience: the first submit gets in at once,
 * the second waits for the first task's end or for its time-out. */
static void submit_that_blocks(void) {
    task *first = next_child();
    task *second = next_child();
    task_start(first, body_nothing, 0, limited);
    i64 gate = drift_exec_submit(limited, task_spawn(second, body_nothing, 0));
    CHECK(gate == 0 || gate == 2, "submit answered %lld", (long long)gate);
    drift_thread_join(first->vt);
    if (gate == 0) {
        drift_thread_join(second->vt);
    } else {
        drift_thread_drop(second->vt);
    }
}

static void submit_that_times_out(void) {
    task *first = next_child();
    task *second = next_child();
    set(&hold, 0);
    task_start(first, body_hold, 1, limited);
    span start = span_start();
    EQUAL(drift_exec_submit(limited, task_spawn(second, body_nothing, 0)), 2);
    NOT_SHORT(start, 5);
    drift_thread_drop(second->vt);
    /* A place becomes free when nobody waits for it any more. */
    set(&hold, 1);
    drift_thread_join(first->vt);
}

static void yields(void) {
    for (int i = 0; i < 10; i++) {
        drift_thread_yield();
    }
}

/* Four sleeps that must all be full. */
static void next_sleep(int kind, i64 ms) {
    span start = span_start();
    switch (kind) {
    case 0:
        std_sleep(ms);
        break;
    case 1:
        drift_thread_park_until(ms);
        break;
    case 2:
        drift_thread_park_until(drift_time_now_ms() + ms);
        break;
    default:
        drift_reactor_register_timer(ms, sleeper);
        drift_thread_park(0);
        break;
    }
    NOT_SHORT(start, ms);
}

static void (*wait_of_case)(void);

static void body_sleeper(task *self) {
    i64 ms = param(0, 30);
    set(&sleeper, self->vt);
    for (int round = 0; round < 8; round++) {
        child_count = 0;
        wait_of_case();
        next_sleep(round % 4, ms);
        for (int i = 0; i < child_count; i++) {
            drift_thread_join(children[i].vt);
        }
    }
}

static void matrix(void (*wait)(void)) {
    wait_of_case = wait;
    eventfd_ready = drift_test_eventfd_create();
    CHECK(eventfd_ready > 0, "no eventfd");
    drift_test_eventfd_write(eventfd_ready, 1);
    for (i64 carriers = 1; carriers <= 2; carriers++) {
        limited = drift_exec_create(1, 1, 1, 5, DRIFT_SATURATION_BLOCK);
        others = make_executor(1);
        run_on_executor(body_sleeper, 0, carriers);
    }
}

#define CASE(wait)                     \
    static void case_##wait(void) {    \
        matrix(wait);                  \
    }
CASE(nothing)
CASE(park_then_unpark)
CASE(permit_before_park)
CASE(park_until_times_out)
CASE(park_until_absolute_times_out)
CASE(park_until_woken_early)
CASE(park_until_absolute_woken_early)
CASE(io_ready_before_deadline)
CASE(io_ready_in_park_before_deadline)
CASE(io_deadline_before_ready)
CASE(io_deadline_over_already)
CASE(io_ended_by_an_unpark)
CASE(timer_then_park)
CASE(timer_over_already)
CASE(timer_ended_by_an_unpark)
CASE(sleep_as_the_library)
CASE(join_of_a_child)
CASE(join_of_one_that_ended)
CASE(join_timeout_times_out)
CASE(join_timeout_completes)
CASE(cancel_of_another)
CASE(block_on_io_ready)
CASE(block_on_io_times_out)
CASE(submit_that_blocks)
CASE(submit_that_times_out)
CASE(yields)

static const test_case cases[] = {
    {"nothing", case_nothing},
    {"park_then_unpark", case_park_then_unpark},
    {"permit_before_park", case_permit_before_park},
    {"park_until_times_out", case_park_until_times_out},
    {"park_until_absolute_times_out", case_park_until_absolute_times_out},
    {"park_until_woken_early", case_park_until_woken_early},
    {"park_until_absolute_woken_early", case_park_until_absolute_woken_early},
    {"io_ready_before_deadline", case_io_ready_before_deadline},
    {"io_ready_in_park_before_deadline", case_io_ready_in_park_before_deadline},
    {"io_deadline_before_ready", case_io_deadline_before_ready},
    {"io_deadline_over_already", case_io_deadline_over_already},
    {"io_ended_by_an_unpark", case_io_ended_by_an_unpark},
    {"timer_then_park", case_timer_then_park},
    {"timer_over_already", case_timer_over_already},
    {"timer_ended_by_an_unpark", case_timer_ended_by_an_unpark},
    {"sleep_as_the_library", case_sleep_as_the_library},
    {"join_of_a_child", case_join_of_a_child},
    {"join_of_one_that_ended", case_join_of_one_that_ended},
    {"join_timeout_times_out", case_join_timeout_times_out},
    {"join_timeout_completes", case_join_timeout_completes},
    {"cancel_of_another", case_cancel_of_another},
    {"block_on_io_ready", case_block_on_io_ready},
    {"block_on_io_times_out", case_block_on_io_times_out},
    {"submit_that_blocks", case_submit_that_blocks},
    {"submit_that_times_out", case_submit_that_times_out},
    {"yields", case_yields},
};

CASES_MAIN(cases)
