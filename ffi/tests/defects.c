/* What the C runtime gets wrong about parking, completion, join, cancel and drop: one case for
 * each defect, by the number of its line in the description of the ABI. `defects_system.c` has
 * the executors, the reactor and the process.
 */
#include "harness.h"

static i64 ready;
static i64 go;

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_spins_until_go(task *self) {
    set(&ready, 1);
    spin_for(&go, 1);
    self->result = 1;
}

static void body_parks_once(task *self) {
    add(&ready, 1);
    drift_thread_park(0);
    self->result = 1;
}

/* d01: must keep one pending wake across the park. One, not a counter. */
static void body_permit(task *self) {
    drift_thread_unpark(self->vt);
    drift_thread_unpark(self->vt);
    drift_thread_park(0);
    drift_reactor_register_timer(-1, self->vt);
    drift_thread_park(0);
    span start = span_start();
    drift_thread_park_until(20);
    NOT_SHORT(start, 20);
}

static void d01(void) {
    task early;
    task_spawn(&early, body_parks_once, 0);
    drift_thread_unpark(early.vt);
    EQUAL(drift_exec_submit(drift_exec_default_get(), early.vt), 0);
    task_join(&early);
    run_on_executor(body_permit, 0, 1);
}

/* d02: must make a virtual thread resumable only after it has fully left its carrier; d06: must
 * use one protocol for state and pending wake. Wakes come from two OS threads at the very moment
 * of the park; a pattern on the stack shows two carriers on it, a lost wake hangs. */
static i64 rounds_done;

static void body_pattern(task *self) {
    for (i64 round = 0; round < self->arg; round++) {
        volatile i64 pattern[64];
        for (i64 i = 0; i < 64; i++) {
            pattern[i] = round ^ i;
        }
        set(&rounds_done, round + 1);
        drift_thread_park(0);
        for (i64 i = 0; i < 64; i++) {
            EQUAL(pattern[i], round ^ i);
        }
    }
    set(&go, 1);
}

static void *unparks_each_round(void *argument) {
    i64 vt = *(i64 *)argument;
    i64 last = 0;
    while (get(&go) == 0) {
        i64 now = get(&rounds_done);
        if (now != last) {
            drift_thread_unpark(vt);
            last = now;
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void wakes_at_the_park(i64 os_threads) {
    pthread_t ids[2];
    task one;
    task_start(&one, body_pattern, 5000, make_executor(2));
    for (i64 i = 0; i < os_threads; i++) {
        EQUAL(pthread_create(&ids[i], NULL, unparks_each_round, &one.vt), 0);
    }
    for (i64 i = 0; i < os_threads; i++) {
        EQUAL(pthread_join(ids[i], NULL), 0);
    }
    task_join(&one);
}

static void d02(void) {
    wakes_at_the_park(2);
}

static void d06(void) {
    wakes_at_the_park(1);
}

/* d03: must let exactly one of several wakes win. Timer, readiness and unpark come together; a
 * second resume would run the virtual thread twice at once, or end the park that follows. */
static void *unparks_and_writes(void *argument) {
    task *one = (task *)argument;
    for (i64 round = 1; round <= one->arg; round++) {
        while (get(&ready) < round) {
            sched_yield();
        }
        drift_test_eventfd_write(get(&one->result), 1);
        drift_thread_unpark(one->vt);
        set(&go, round);
    }
    return NULL;
}

static void body_three_wakes(task *self) {
    i64 running = 0;
    i64 fd = drift_test_eventfd_create();
    set(&self->result, fd);
    for (i64 round = 1; round <= self->arg; round++) {
        uint64_t counter;
        drift_reactor_register_io(fd, DRIFT_INTEREST_READ, self->vt, 1);
        set(&ready, round);
        drift_thread_park_until(1);
        EQUAL(add(&running, 1), 0);
        wait_for(&go, round);
        EQUAL(add(&running, -1), 1);
        CHECK(read((int)fd, &counter, sizeof counter) == sizeof counter, "nothing was written");
        /* Takes the unpark, if it came too late for the wait above. */
        drift_reactor_register_timer(-1, self->vt);
        drift_thread_park(0);
        span start = span_start();
        drift_thread_park_until(2);
        NOT_SHORT(start, 2);
    }
}

static void d03(void) {
    pthread_t id;
    task one;
    i64 exec = make_executor(2);
    task_spawn(&one, body_three_wakes, 200);
    EQUAL(drift_exec_submit(exec, one.vt), 0);
    EQUAL(pthread_create(&id, NULL, unparks_and_writes, &one), 0);
    EQUAL(pthread_join(id, NULL), 0);
    task_join(&one);
}

/* d04: current must follow every switch; d05: per-thread state must be derived again after one.
 * Each of several waits
 * for the one before it, on one carrier and on four. */
static task crowd[8];

static void body_in_turn(task *self) {
    task *next = &crowd[(self->arg + 1) % 8];
    const task *previous = &crowd[(self->arg + 7) % 8];
    for (i64 i = 1; i <= 1000; i++) {
        EQUAL(drift_thread_current(), self->vt);
        set(&self->result, i);
        drift_thread_unpark(next->vt);
        while (get(&previous->result) < i) {
            drift_thread_park(0);
            EQUAL(drift_thread_current(), self->vt);
        }
    }
}

static void crowd_on(i64 carriers) {
    i64 exec = make_executor(carriers);
    for (i64 i = 0; i < 8; i++) {
        task_spawn(&crowd[i], body_in_turn, i);
    }
    for (i64 i = 0; i < 8; i++) {
        EQUAL(drift_exec_submit(exec, crowd[i].vt), 0);
    }
    for (i64 i = 0; i < 8; i++) {
        task_join(&crowd[i]);
    }
}

static void d04(void) {
    crowd_on(1);
}

static void d05(void) {
    crowd_on(4);
}

/* d07: at least 1 MiB usable (less what the frames above take). The guard: `overflow.c`. */
static void body_deep(task *self) {
    enum { DEEP = (1 << 20) - 8192 };
    volatile char bytes[DEEP];
    for (size_t i = DEEP; i > 0; i -= 512) {
        bytes[i - 1] = (char)i;
    }
    self->result = bytes[DEEP - 1] == (char)DEEP;
}

static void d07(void) {
    task one;
    for (int i = 0; i < 8; i++) {
        task_start(&one, body_deep, 0, drift_exec_default_get());
        task_join(&one);
        EQUAL(one.result, 1);
    }
}

/* d08: must publish completion from the carrier, after the switch away: what join gives back is
 * used again at once. */
static void d08(void) {
    i64 exec = make_executor(2);
    for (i64 i = 0; i < 5000; i++) {
        task one;
        task_start(&one, body_nothing, i, exec);
        if (i % 2 == 0) {
            while (drift_thread_is_completed(one.vt) == 0) {
                sched_yield();
            }
            EQUAL(one.result, 1);
        }
        task_join(&one);
    }
}

/* A carrier that is busy until `go`, so that what is submitted stays queued. */
static i64 busy_executor(task *busy) {
    i64 exec = make_executor(1);
    task_start(busy, body_spins_until_go, 0, exec);
    wait_for(&ready, 1);
    return exec;
}

/* d09: must drop once. d10: must keep the record until the queue lets go. The cancelled one is
 * joined while it is queued, others take its place, and then the queue moves. */
static void d09(void) {
    task busy;
    task cancelled;
    task others[16];
    i64 exec = busy_executor(&busy);
    task_start(&cancelled, body_nothing, 0, exec);
    EQUAL(drift_thread_cancel(cancelled.vt), 0);
    drift_thread_join(cancelled.vt);
    task_never_ran(&cancelled);
    for (int i = 0; i < 16; i++) {
        task_start(&others[i], body_nothing, 0, exec);
    }
    set(&go, 1);
    task_join(&busy);
    for (int i = 0; i < 16; i++) {
        task_join(&others[i]);
    }
    task_never_ran(&cancelled);
}

/* d11: cancel must wake a parked one, and its later parks return at once. */
static void body_parks_on(task *self) {
    set(&ready, 1);
    drift_thread_park(0);
    drift_thread_park(0);
    drift_thread_park_until(60000);
    self->result = 1;
}

static void d11(void) {
    task one;
    task_start(&one, body_parks_on, 0, drift_exec_default_get());
    wait_for(&ready, 1);
    drift_thread_park_until(5);
    i64 start = now_us();
    EQUAL(drift_thread_cancel(one.vt), 0);
    task_join(&one);
    EQUAL(one.result, 1);
    CHECK(now_us() - start < 30000000, "a park of a cancelled one lasts");
}

/* d12: a join on a virtual thread must park it. One carrier, three generations. */
static void body_generation(task *self) {
    if (self->arg > 0) {
        task child;
        task_start(&child, body_generation, self->arg - 1, drift_exec_default_get());
        task_join(&child);
        self->result = child.result;
    }
    self->result++;
}

static void d12(void) {
    task one;
    task_start(&one, body_generation, 3, drift_exec_default_get());
    task_join(&one);
    EQUAL(one.result, 4);
}

/* d13: a timed join must use monotonic time, and must wait for a cancelled one that has not
 * ended. */
static void d13(void) {
    task busy;
    busy_executor(&busy);
    EQUAL(drift_thread_cancel(busy.vt), 0);
    span start = span_start();
    EQUAL(drift_thread_join_timeout(busy.vt, 20), 1);
    NOT_SHORT(start, 20);
    EQUAL(drift_thread_is_completed(busy.vt), 0);
    set(&go, 1);
    /* Given back at its end, or still there to be joined: both are an answer. */
    EQUAL(drift_thread_join_timeout(busy.vt, PATIENCE_MS), 0);
    while (get(&busy.drops) == 0) {
        os_sleep_ms(1);
    }
    task_ran_once(&busy);
    EQUAL(drift_thread_is_completed(busy.vt), 1);
}

/* d14: drop of a new one drops the callback, once; drop of a started one lets it run on; drop
 * after a cancel does not drop the callback again. */
static void d14(void) {
    task fresh;
    task cancelled;
    task started;
    task_spawn(&fresh, body_nothing, 0);
    drift_thread_drop(fresh.vt);
    task_never_ran(&fresh);
    EQUAL(drift_thread_is_completed(fresh.vt), 1);
    task_spawn(&cancelled, body_nothing, 0);
    EQUAL(drift_thread_cancel(cancelled.vt), 0);
    drift_thread_drop(cancelled.vt);
    task_never_ran(&cancelled);
    busy_executor(&started);
    drift_thread_drop(started.vt);
    set(&go, 1);
    wait_for(&started.drops, 1);
    task_ran_once(&started);
}

/* d15: stale handles must be detected, and never name a newer virtual thread. */
static void d15(void) {
    static i64 handles[2000];
    i64 exec = drift_exec_default_get();
    for (int i = 0; i < 2000; i++) {
        task one;
        task_start(&one, body_nothing, 0, exec);
        handles[i] = one.vt;
        task_join(&one);
    }
    task alive;
    task_start(&alive, body_parks_once, 0, exec);
    wait_for(&ready, 1);
    drift_thread_park_until(5);
    for (int i = 0; i < 2000; i++) {
        CHECK(handles[i] != alive.vt, "a handle came twice");
        EQUAL(drift_thread_cancel(handles[i]), 1);
        EQUAL(drift_thread_is_completed(handles[i]), 1);
        drift_thread_unpark(handles[i]);
        drift_thread_join(handles[i]);
        EQUAL(drift_thread_join_timeout(handles[i], 60000), 0);
        drift_thread_drop(handles[i]);
    }
    EQUAL(drift_thread_join_timeout(alive.vt, 20), 1);
    EQUAL(get(&alive.result), 0);
    drift_thread_unpark(alive.vt);
    task_join(&alive);
}

static const test_case cases[] = {
    {"d01", d01}, {"d02", d02}, {"d03", d03}, {"d04", d04}, {"d05", d05},
    {"d06", d06}, {"d07", d07}, {"d08", d08}, {"d09", d09}, {"d10", d09},
    {"d11", d11}, {"d12", d12}, {"d13", d13}, {"d14", d14}, {"d15", d15},
};

CASES_MAIN(cases)
