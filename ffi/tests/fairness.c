/* A call that need not wait does not keep its carrier.
 *
 * Each function is called again and again by a virtual thread whose carrier a neighbour wants,
 * which is ready; all other carriers are occupied. After MANY calls it has kept the carrier.
 * Neither load nor clock matters. `api/tests/fairness/listed.rs` compares both lists with
 * `symbols.txt`. */
#include "harness.h"

enum {
    TURNS = 3, /* of the neighbour */
    /* A neighbour that is ready waits for 128 calls; if it has not started, for two yields more. */
    MANY = 4 * 128 * (TURNS + 1)
};

static drift_mutex_t mutex, held;
static drift_condvar_t condvar;
static drift_semaphore_t many, none;
static drift_channel_t open_channel, closed;
static uint64_t slot, value;

/* A name, and a call that ends at once: by success, or with nothing done. */
#define CALLS                                                                          \
    CALL(drift_thread_spawn, drift_thread_spawn(NULL, 0))                              \
    CALL(drift_thread_join, drift_thread_join(1))                                      \
    CALL(drift_thread_join_timeout, drift_thread_join_timeout(drift_thread_current(), 0)) \
    CALL(drift_thread_is_completed, drift_thread_is_completed(drift_thread_current())) \
    CALL(drift_thread_cancel, drift_thread_cancel(1))                                  \
    CALL(drift_thread_drop, drift_thread_drop(0))                                      \
    CALL(drift_thread_park, drift_thread_park(0))                                      \
    CALL(drift_thread_park_until, drift_thread_park_until(0))                          \
    CALL(drift_thread_unpark, drift_thread_unpark(drift_thread_current()))             \
    CALL(drift_thread_yield, drift_thread_yield())                                     \
    CALL(drift_exec_create, drift_exec_create(1, 1, 0, 0, DRIFT_SATURATION_BUSY))      \
    CALL(drift_exec_submit, drift_exec_submit(1, 1))                                   \
    CALL(drift_reactor_register_io, drift_reactor_register_io(-1, 1, 0, 0))            \
    CALL(drift_reactor_register_timer, drift_reactor_register_timer(0, 0))             \
    CALL(drift_mutex_lock, (drift_mutex_lock(&mutex), drift_mutex_unlock(&mutex)))     \
    CALL(drift_mutex_try_lock, drift_mutex_try_lock(&held))                            \
    CALL(drift_mutex_lock_until, drift_mutex_lock_until(&held, 0))                     \
    CALL(drift_condvar_wait, drift_condvar_wait(&condvar, &held))                      \
    CALL(drift_condvar_wait_until, drift_condvar_wait_until(&condvar, &held, 0))       \
    CALL(drift_condvar_notify_one, drift_condvar_notify_one(&condvar))                 \
    CALL(drift_condvar_notify_all, drift_condvar_notify_all(&condvar))                 \
    CALL(drift_semaphore_acquire, drift_semaphore_acquire(&many, 0))                   \
    CALL(drift_semaphore_try_acquire, drift_semaphore_try_acquire(&none, 1))           \
    CALL(drift_semaphore_acquire_until, drift_semaphore_acquire_until(&none, 1, 0))    \
    CALL(drift_semaphore_release, drift_semaphore_release(&many, 1))                   \
    CALL(drift_channel_send, drift_channel_send(&closed, 1))                           \
    CALL(drift_channel_try_send, drift_channel_try_send(&closed, 1))                   \
    CALL(drift_channel_send_until, drift_channel_send_until(&open_channel, 1, 0))      \
    CALL(drift_channel_receive, drift_channel_receive(&closed, &value))                \
    CALL(drift_channel_try_receive, drift_channel_try_receive(&closed, &value))        \
    CALL(drift_channel_receive_until, drift_channel_receive_until(&closed, &value, 0)) \
    CALL(drift_channel_close, drift_channel_close(&closed))                            \
    CALL(drift_channel_len, drift_channel_len(&closed))

/* What is not paid for, and why. */
#define FREE_ONES                                                                      \
    FREE(drift_thread_current, "tells what nobody changes")                            \
    FREE(drift_time_now_ms, "looks at the clock")                                      \
    FREE(drift_exec_default_get, "tells a number of the process")                      \
    FREE(drift_exec_default_set, "sets a number of the process")                       \
    FREE(drift_exec_submit_test_override, "sets a number of the process")              \
    FREE(drift_reactor_default_get, "tells what nobody changes")                       \
    FREE(drift_reactor_default_set, "does nothing")                                    \
    FREE(drift_mutex_init, "makes what nobody else knows yet")                         \
    FREE(drift_condvar_init, "makes what nobody else knows yet")                       \
    FREE(drift_semaphore_init, "makes what nobody else knows yet")                     \
    FREE(drift_channel_init, "makes what nobody else knows yet")                       \
    FREE(drift_mutex_unlock, "ends what a lock began, which was paid for")             \
    FREE(drift_test_eventfd_create, "is the kernel's, for the toolchain's tests")      \
    FREE(drift_test_eventfd_write, "is the kernel's, for the toolchain's tests")       \
    FREE(drift_test_timerfd_create, "is the kernel's, for the toolchain's tests")      \
    FREE(drift_test_timerfd_set, "is the kernel's, for the toolchain's tests")

#define CALL(name, call) static void try_##name(void) { (void)(call); }
CALLS
#undef CALL

#define CALL(name, call) {#name, try_##name},
static const struct {
    const char *name;
    void (*run)(void);
} calls[] = {CALLS};

#define FREE(name, why) {#name, why},
static const struct {
    const char *name;
    const char *why;
} free_ones[] = {FREE_ONES};

static i64 exec, turns, occupied, over;

static void neighbour(task *self) {
    (void)self;
    while (add(&turns, 1) < TURNS) {
        drift_thread_yield();
    }
}

static void caller(task *self) {
    task beside;
    i64 count = 0;
    i64 ran;
    /* Its waits end at once from now on. */
    EQUAL(drift_thread_cancel(drift_thread_current()), 0);
    set(&turns, 0);
    task_start(&beside, neighbour, 0, exec);
    while (count < MANY && get(&turns) < TURNS) {
        calls[self->arg].run();
        count++;
    }
    ran = get(&turns);
    set(&turns, TURNS);
    task_join(&beside);
    CHECK(ran >= TURNS, "%s: after %lld calls its neighbour had run %lld times",
          calls[self->arg].name, (long long)count, (long long)ran);
}

static void occupy(task *self) {
    (void)self;
    add(&occupied, 1);
    while (get(&over) == 0) {
        os_sleep_ms(1);
    }
}

static void try_on(i64 carriers) {
    task others[3];
    size_t i;
    drift_mutex_init(&mutex);
    drift_mutex_init(&held);
    EQUAL(drift_mutex_lock(&held), 0);
    drift_condvar_init(&condvar);
    drift_semaphore_init(&many, 0);
    drift_semaphore_init(&none, 0);
    drift_channel_init(&open_channel, &slot, 0);
    drift_channel_init(&closed, &slot, 1);
    EQUAL(drift_channel_close(&closed), 0);
    exec = make_executor(carriers);
    for (i = 0; i + 1 < (size_t)carriers; i++) {
        task_start(&others[i], occupy, 0, exec);
    }
    wait_for(&occupied, carriers - 1);
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        task one;
        task_start(&one, caller, (i64)i, exec);
        task_join(&one);
    }
    set(&over, 1);
    for (i = 0; i + 1 < (size_t)carriers; i++) {
        task_join(&others[i]);
    }
}

static void no_call_keeps_the_carrier_of_1(void) {
    try_on(1);
}
static void no_call_keeps_the_carrier_of_2(void) {
    try_on(2);
}
static void no_call_keeps_the_carrier_of_4(void) {
    try_on(4);
}

static void what_is_free_has_a_reason(void) {
    for (size_t i = 0; i < sizeof free_ones / sizeof free_ones[0]; i++) {
        CHECK(free_ones[i].why[0] != 0, "%s has none", free_ones[i].name);
    }
}

static const test_case cases[] = {
    {"no_call_keeps_the_carrier_of_1", no_call_keeps_the_carrier_of_1},
    {"no_call_keeps_the_carrier_of_2", no_call_keeps_the_carrier_of_2},
    {"no_call_keeps_the_carrier_of_4", no_call_keeps_the_carrier_of_4},
    {"what_is_free_has_a_reason", what_is_free_has_a_reason},
};

CASES_MAIN(cases)
