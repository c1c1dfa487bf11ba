/* Every symbol with garbage, stale and extreme values: an answer, never a crash or a hang.
 *
 * Of the live virtual threads only `victim` and, on one, the caller exist; a bit-flipped handle
 * that happens to name one of them is left out.
 */
#include "harness.h"

static i64 garbage[256];
static int garbage_count;
static task victim;
static i64 stale;
static i64 stop;
/* An executor that is live, whatever the default is meanwhile. */
static i64 live_executor;

static void body_victim(task *self) {
    while (get(&stop) == 0) {
        drift_thread_park(0);
        self->result++;
    }
}

static void body_nothing(task *self) {
    self->result = 1;
}

static void put(i64 value) {
    int live = value != 0 && (value == victim.vt || value == drift_thread_current());
    if (!live && garbage_count < 256) {
        garbage[garbage_count++] = value;
    }
}

/* splitmix64, Steele, Lea and Flood, OOPSLA 2014: the same values in every run. */
static i64 pseudo_random(uint64_t index) {
    uint64_t z = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (i64)(z ^ (z >> 31));
}

static void fill(void) {
    static const i64 fixed[] = {-1, -2, INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 1, 2,
                                INT32_MAX, INT32_MIN, (i64)1 << 32, (i64)1 << 40, (i64)1 << 62};
    garbage_count = 0;
    put(0);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        put(fixed[i]);
    }
    for (int bit = 0; bit < 64; bit++) {
        put((i64)((uint64_t)victim.vt ^ (UINT64_C(1) << bit)));
    }
    for (uint64_t i = 0; i < 64; i++) {
        put(pseudo_random(i));
    }
    put(stale);
    live_executor = drift_exec_default_get();
    put(live_executor);
    put(drift_reactor_default_get());
}

static void threads(i64 handle) {
    drift_thread_join(handle);
    EQUAL(drift_thread_join_timeout(handle, 0), handle == 0 ? 0 : 1);
    EQUAL(drift_thread_join_timeout(handle, INT64_MIN), handle == 0 ? 0 : 1);
    EQUAL(drift_thread_join_timeout(handle, INT64_MAX), 0);
    EQUAL(drift_thread_is_completed(handle), handle == 0 ? 0 : 1);
    EQUAL(drift_thread_cancel(handle), 1);
    drift_thread_drop(handle);
    drift_thread_unpark(handle);
}

static void executors(i64 value) {
    task one;
    i64 exec = drift_exec_default_get();
    if (value != exec) {
        i64 code = drift_exec_submit(value, task_spawn(&one, body_nothing, 0));
        CHECK(code >= 0, "submit gave %lld", (long long)code);
        if (code != 0) {
            drift_thread_drop(one.vt);
            task_never_ran(&one);
        } else {
            CHECK(value == 0 || value == live_executor, "%lld runs", (long long)value);
            task_join(&one);
        }
    }
    CHECK(drift_exec_submit(exec, value) >= 0, "a negative code");
    CHECK(drift_exec_submit(value, value) >= 0, "a negative code");
    /* The default is stored unchecked: whatever `get` gives, a submit to it answers. */
    drift_exec_default_set(value);
    exec = drift_exec_default_get();
    if (drift_exec_submit(exec, task_spawn(&one, body_nothing, 0)) != 0) {
        drift_thread_drop(one.vt);
    } else {
        task_join(&one);
    }
    drift_exec_default_set(0);
    drift_thread_drop(drift_thread_spawn(NULL, value));
    EQUAL(drift_thread_spawn(NULL, value), 0);
    drift_exec_submit_test_override(INT64_MIN);
    drift_exec_submit_test_override(value < 0 ? value : -1);
    drift_reactor_default_set(value);
    CHECK(drift_reactor_default_get() != 0, "no reactor");
    drift_reactor_default_set(0);
}

/* The descriptor is none that is open, also not when cut to 32 bits with a live number. */
static void reactor(i64 value, i64 eventfd) {
    i64 fd = value >= 0 && value < 1024 ? value + 100000 : value;
    drift_reactor_register_io(fd, value, value, value);
    drift_reactor_register_io(eventfd, DRIFT_INTEREST_READ, value, value);
    drift_reactor_register_timer(value, value);
    drift_reactor_register_timer(-1, value);
    drift_test_eventfd_write(fd, value);
    drift_test_timerfd_set(fd, value);
    drift_test_timerfd_set(eventfd, value);
    drift_test_eventfd_write(((i64)1 << 32) + eventfd, 1);
}

/* Each park has a cause, so it must end: a wake that came first, a descriptor that cannot be
 * waited for, or a deadline that is over. */
static void parks(i64 value, i64 eventfd) {
    i64 self = drift_thread_current();
    i64 fd = value >= 0 && value < 1024 ? value + 100000 : value;
    drift_thread_unpark(self);
    drift_thread_park(value);
    drift_thread_unpark(self);
    drift_thread_park_until(value);
    if (value <= 0) {
        /* It must not have used the wake. */
        drift_thread_park(0);
    }
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, self, value);
    drift_thread_park(0);
    drift_reactor_register_io(eventfd, value, self, INT64_MIN);
    drift_thread_park(0);
    drift_reactor_register_timer(value, self);
    drift_thread_unpark(self);
    drift_thread_park(0);
}

static void everything(void) {
    i64 eventfd = drift_test_eventfd_create();
    uint64_t counter = 0;
    fill();
    for (int i = 0; i < garbage_count; i++) {
        threads(garbage[i]);
        executors(garbage[i]);
        reactor(garbage[i], eventfd);
        if (drift_thread_current() != 0) {
            parks(garbage[i], eventfd);
        } else {
            drift_thread_park(garbage[i]);
            drift_thread_park_until(garbage[i] > 0 ? -garbage[i] : garbage[i]);
        }
    }
    CHECK(read((int)eventfd, &counter, sizeof counter) == -1, "a wrong descriptor was written");
}

/* Extreme policies: refused with 0, or an executor that works. */
static void policies(void) {
    static const i64 values[] = {INT64_MIN, -1, 0, 1, (i64)1 << 31, (i64)1 << 32, INT64_MAX};
    for (int field = 0; field < 5; field++) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            i64 policy[5] = {1, 1, 0, 0, DRIFT_SATURATION_BUSY};
            task one;
            policy[field] = values[i];
            i64 exec =
                drift_exec_create(policy[0], policy[1], policy[2], policy[3], policy[4]);
            CHECK(exec >= 0, "a negative handle");
            if (exec != 0) {
                task_start(&one, body_nothing, 0, exec);
                task_join(&one);
            }
        }
    }
}

static void prepare(void) {
    task one;
    task_start(&one, body_nothing, 0, drift_exec_default_get());
    stale = one.vt;
    task_join(&one);
    task_start(&victim, body_victim, 0, make_executor(1));
}

static void victim_untouched(void) {
    EQUAL(drift_thread_is_completed(victim.vt), 0);
    EQUAL(drift_thread_join_timeout(victim.vt, 5), 1);
    EQUAL(get(&victim.result), 0);
    set(&stop, 1);
    drift_thread_unpark(victim.vt);
    task_join(&victim);
}

static void body_everything(task *self) {
    everything();
    policies();
    EQUAL(drift_thread_current(), self->vt);
    span start = span_start();
    std_sleep(20);
    NOT_SHORT(start, 20);
}

static void off_virtual_threads(void) {
    prepare();
    everything();
    policies();
    victim_untouched();
}

static void on_a_virtual_thread(void) {
    prepare();
    run_on_executor(body_everything, 0, 2);
    victim_untouched();
}

/* Before anything else was called. */
static void as_the_first_call(void) {
    everything();
    policies();
}

static const test_case cases[] = {
    {"off_virtual_threads", off_virtual_threads},
    {"on_a_virtual_thread", on_a_virtual_thread},
    {"as_the_first_call", as_the_first_call},
};

CASES_MAIN(cases)
