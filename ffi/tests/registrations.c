/* A registration belongs to a park of the user: no wait inside the runtime uses it up or is ended
 * by it, and one that comes late takes nothing away.
 *
 * Arguments of late_armers_leave_the_deadline: milliseconds (2000).
 */
#include "harness.h"

static i64 armed;
static i64 joined;
static i64 go;
static i64 eventfd;
static i64 limited;

static void body_sleeps(task *self) {
    drift_thread_park_until(self->arg);
}

static void body_writes(task *self) {
    drift_test_eventfd_write(eventfd, 1);
    drift_thread_park_until(self->arg);
}

static void join_one(void (*body)(task *), i64 ms) {
    task child;
    task_start(&child, body, ms, drift_exec_default_get());
    task_join(&child);
}

/* The join ends first, or on a slow machine the timer: kept in both cases. */
static void body_timer_then_join(task *self) {
    span start = span_start();
    drift_reactor_register_timer(drift_time_now_ms() + 60, self->vt);
    join_one(body_sleeps, 30);
    drift_thread_park(0);
    NOT_SHORT(start, 60);
}

/* And here it comes due within the join. */
static void body_timer_within_join(task *self) {
    drift_reactor_register_timer(drift_time_now_ms() + 5, self->vt);
    join_one(body_sleeps, 40);
    drift_thread_park(0);
}

static void body_io_then_join(task *self) {
    drift_reactor_register_io(eventfd, DRIFT_INTEREST_READ, self->vt, 0);
    join_one(body_sleeps, 10);
    EQUAL(get(&go), 0);
    set(&joined, 1);
    drift_thread_park(0);
    EQUAL(get(&go), 1);
}

static void body_io_within_join(task *self) {
    drift_reactor_register_io(eventfd, DRIFT_INTEREST_READ, self->vt, 0);
    join_one(body_writes, 30);
    drift_thread_park(0);
}

static void ends_on(void (*body)(task *), i64 carriers) {
    task one;
    eventfd = drift_test_eventfd_create();
    CHECK(eventfd > 0, "no eventfd");
    task_start(&one, body, 0, make_executor(carriers));
    task_ends(&one);
}

static void timer_is_kept_across_a_join(void) {
    for (i64 carriers = 1; carriers <= 2; carriers++) {
        ends_on(body_timer_then_join, carriers);
        ends_on(body_timer_within_join, carriers);
    }
}

static void readiness_is_kept_across_a_join(void) {
    for (i64 carriers = 1; carriers <= 2; carriers++) {
        ends_on(body_io_within_join, carriers);
    }
}

static void watch_is_kept_across_a_join(void) {
    task one;
    eventfd = drift_test_eventfd_create();
    task_start(&one, body_io_then_join, 0, make_executor(1));
    wait_for(&joined, 1);
    EQUAL(drift_thread_join_timeout(one.vt, 10), 1);
    set(&go, 1);
    drift_test_eventfd_write(eventfd, 1);
    task_ends(&one);
}

/* The only place of `limited` is taken until `go`. */
static void body_holds_place(task *self) {
    add(&armed, 1);
    spin_for(&go, 1);
    self->result = 1;
}

static void body_nothing(task *self) {
    self->result = 1;
}

/* Ready and due at once, so that each would end a wait that it belongs to. */
static void body_registers_then_submits(task *self) {
    task inner;
    if (self->arg == 0) {
        drift_reactor_register_timer(0, self->vt);
    } else {
        drift_reactor_register_io(eventfd, DRIFT_INTEREST_READ, self->vt, 0);
    }
    add(&armed, 1);
    EQUAL(drift_exec_submit(limited, task_spawn(&inner, body_nothing, 0)), 0);
    EQUAL(get(&go), 1);
    task_join(&inner);
    drift_thread_park(0);
}

static void submit_is_not_ended_by_a_registration(void) {
    eventfd = drift_test_eventfd_create();
    drift_test_eventfd_write(eventfd, 1);
    for (i64 kind = 0; kind < 2; kind++) {
        task place;
        task submitter;
        set(&go, 0);
        set(&armed, 0);
        limited = drift_exec_create(1, 1, 1, 0, DRIFT_SATURATION_BLOCK);
        task_start(&place, body_holds_place, 0, limited);
        wait_for(&armed, 1);
        task_start(&submitter, body_registers_then_submits, kind, make_executor(1));
        wait_for(&armed, 2);
        EQUAL(drift_thread_join_timeout(submitter.vt, 50), 1);
        set(&go, 1);
        task_ends(&submitter);
        task_ends(&place);
    }
}

/* One sleeps 2 ms at a time. Two OS threads register a far timer for it and unpark it, for some
 * milliseconds; then they are quiet, and only its own deadline can end what it waits in. */
static i64 naps;
static i64 storm;
static i64 stop;
static i64 napper;

static void body_naps(task *self) {
    while (get(&stop) == 0) {
        drift_thread_park_until(2);
        add(&naps, 1);
    }
    self->result = 1;
}

static void *arms_late(void *argument) {
    i64 far = drift_time_now_ms() + 1000000;
    while (get(&stop) == 0) {
        if (get(&storm) == 1) {
            drift_reactor_register_timer(far, napper);
        } else {
            sched_yield();
        }
    }
    return argument;
}

static void *unparks(void *argument) {
    while (get(&stop) == 0) {
        if (get(&storm) == 1) {
            drift_thread_unpark(napper);
        } else {
            sched_yield();
        }
    }
    return argument;
}

static void late_armers_leave_the_deadline(void) {
    task one;
    pthread_t threads[2];
    i64 end = now_us() + param(0, 2000) * 1000;
    task_start(&one, body_naps, 0, make_executor(1));
    napper = one.vt;
    EQUAL(pthread_create(&threads[0], NULL, arms_late, NULL), 0);
    EQUAL(pthread_create(&threads[1], NULL, unparks, NULL), 0);
    while (now_us() < end) {
        set(&storm, 1);
        os_sleep_ms(3);
        set(&storm, 0);
        i64 start = now_us();
        i64 enough = get(&naps) + 3;
        while (get(&naps) < enough) {
            os_sleep_ms(1);
            CHECK(now_us() - start < (i64)STARVED_MS * 1000, "a nap of 2 ms does not end");
        }
    }
    set(&stop, 1);
    EQUAL(pthread_join(threads[0], NULL), 0);
    EQUAL(pthread_join(threads[1], NULL), 0);
    task_ends(&one);
}

static const test_case cases[] = {
    {"timer_is_kept_across_a_join", timer_is_kept_across_a_join},
    {"readiness_is_kept_across_a_join", readiness_is_kept_across_a_join},
    {"watch_is_kept_across_a_join", watch_is_kept_across_a_join},
    {"submit_is_not_ended_by_a_registration", submit_is_not_ended_by_a_registration},
    {"late_armers_leave_the_deadline", late_armers_leave_the_deadline},
};

CASES_MAIN(cases)
