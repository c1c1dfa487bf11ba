/* Every way to wait for a mutex, a condition variable, a semaphore or a channel: until a deadline,
 * until it is woken before one, until it is cancelled. Afterwards nobody is left over, and the next
 * sleep lasts its full length.
 */
#include "harness.h"

/* Longer than any case. */
#define LONG_MS 100000

static task other;
static drift_mutex_t mutex;
static drift_condvar_t condvar;
static drift_semaphore_t semaphore;
static drift_channel_t channel;
/* Raised by who is about to wait. */
static i64 arrived;

static void init_all(void) {
    memset(&mutex, 0xa5, sizeof mutex);
    memset(&condvar, 0xa5, sizeof condvar);
    memset(&semaphore, 0xa5, sizeof semaphore);
    memset(&channel, 0xa5, sizeof channel);
    drift_mutex_init(&mutex);
    drift_condvar_init(&condvar);
    drift_semaphore_init(&semaphore, 0);
    drift_channel_init(&channel, NULL, 0);
    set(&arrived, 0);
}

static void sleep_in_full(void) {
    span start = span_start();
    drift_thread_park_until(20);
    NOT_SHORT(start, 20);
}

/* On one carrier: until `number` of others have raised `arrived`, and wait. */
static void let_wait(i64 number) {
    wait_for(&arrived, number);
    drift_thread_yield();
}

static i64 wait_mutex(i64 deadline_ms) {
    return drift_mutex_lock_until(&mutex, deadline_ms);
}
static i64 wait_condvar(i64 deadline_ms) {
    drift_mutex_t own;
    drift_mutex_init(&own);
    EQUAL(drift_mutex_lock(&own), 0);
    i64 result = drift_condvar_wait_until(&condvar, &own, deadline_ms);
    CHECK(drift_mutex_try_lock(&own) == DRIFT_WAIT_BUSY, "a wait came back without its mutex");
    return result;
}
static i64 wait_semaphore(i64 deadline_ms) {
    return drift_semaphore_acquire_until(&semaphore, 1, deadline_ms);
}
static i64 wait_send(i64 deadline_ms) {
    return drift_channel_send_until(&channel, 7, deadline_ms);
}
static i64 wait_receive(i64 deadline_ms) {
    uint64_t value = 77;
    i64 result = drift_channel_receive_until(&channel, &value, deadline_ms);
    EQUAL((i64)value, result == 0 ? 7 : 77);
    return result;
}

static void wake_mutex(void) {
    drift_mutex_unlock(&mutex);
}
static void wake_condvar(void) {
    EQUAL(drift_condvar_notify_one(&condvar), 1);
}
static void wake_semaphore(void) {
    drift_semaphore_release(&semaphore, 1);
}
static void wake_send(void) {
    uint64_t value = 0;
    EQUAL(drift_channel_try_receive(&channel, &value), 0);
    EQUAL((i64)value, 7);
}
static void wake_receive(void) {
    EQUAL(drift_channel_try_send(&channel, 7), 0);
}

typedef struct way {
    i64 (*wait)(i64 deadline_ms);
    void (*wake)(void);
} way;

static const way ways[] = {
    {wait_mutex, wake_mutex},
    {wait_condvar, wake_condvar},
    {wait_semaphore, wake_semaphore},
    {wait_send, wake_send},
    {wait_receive, wake_receive},
};
#define WAYS ((i64)(sizeof ways / sizeof ways[0]))

/* Everything is taken, empty or without a partner. */
static void init_taken(void) {
    init_all();
    EQUAL(drift_mutex_lock(&mutex), 0);
}

static void times_out(const way *way) {
    init_taken();
    EQUAL(way->wait(0), DRIFT_WAIT_TIMEOUT);
    EQUAL(way->wait(-1), DRIFT_WAIT_TIMEOUT);
    span start = span_start();
    EQUAL(way->wait(5), DRIFT_WAIT_TIMEOUT);
    NOT_SHORT(start, 5);
    start = span_start();
    EQUAL(way->wait(drift_time_now_ms() + 5), DRIFT_WAIT_TIMEOUT);
    NOT_SHORT(start, 5);
    sleep_in_full();
    /* Nobody is left over. */
    EQUAL(drift_condvar_notify_all(&condvar), 0);
    EQUAL(drift_channel_try_send(&channel, 7), DRIFT_WAIT_BUSY);
    drift_mutex_unlock(&mutex);
    EQUAL(drift_mutex_lock_until(&mutex, 0), 0);
    drift_semaphore_release(&semaphore, 1);
    EQUAL(drift_semaphore_acquire_until(&semaphore, 1, 0), 0);
}

static void body_times_out(task *self) {
    (void)self;
    for (i64 i = 0; i < WAYS; i++) {
        times_out(&ways[i]);
    }
}

static void every_wait_times_out(void) {
    run_on_executor(body_times_out, 0, 1);
    run_on_executor(body_times_out, 0, 2);
    body_times_out(NULL);
}

/* Waits by way `arg`, longer than it sleeps afterwards if it is woken. */
static void body_wait(task *self) {
    add(&arrived, 1);
    self->result = ways[self->arg].wait(LONG_MS);
    sleep_in_full();
}

static void body_wait_shortly(task *self) {
    add(&arrived, 1);
    self->result = ways[self->arg].wait(10);
    sleep_in_full();
}

/* Wakes at once, and where the deadline comes at about the same time. */
static void body_wakes(task *self) {
    for (i64 i = 0; i < WAYS; i++) {
        init_taken();
        task_start(&other, body_wait, i, self->arg);
        let_wait(1);
        ways[i].wake();
        task_join(&other);
        EQUAL(other.result, 0);
    }
    for (i64 i = 0; i < 40; i++) {
        init_taken();
        task_start(&other, body_wait_shortly, 2, self->arg);
        let_wait(1);
        drift_thread_park_until(10);
        drift_semaphore_release(&semaphore, 1);
        task_join(&other);
        i64 left = drift_semaphore_try_acquire(&semaphore, 1);
        EQUAL(left, other.result == 0 ? DRIFT_WAIT_BUSY : 0);
    }
}

static void a_wake_before_the_deadline_leaves_nothing_over(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_wakes, exec, exec);
    task_join(&one);
}

static void body_cancelled(task *self) {
    add(&arrived, 1);
    EQUAL(ways[self->arg].wait(LONG_MS), DRIFT_WAIT_CANCELLED);
    /* So does the next, but what need not wait still goes well. */
    EQUAL(ways[self->arg].wait(LONG_MS), DRIFT_WAIT_CANCELLED);
    EQUAL(drift_mutex_lock(&mutex), DRIFT_WAIT_CANCELLED);
    EQUAL(drift_semaphore_acquire(&semaphore, 0), 0);
}

static void body_cancels(task *self) {
    for (i64 i = 0; i < WAYS; i++) {
        init_taken();
        task_start(&other, body_cancelled, i, self->arg);
        let_wait(1);
        EQUAL(drift_thread_cancel(other.vt), 0);
        task_join(&other);
        EQUAL(drift_condvar_notify_all(&condvar), 0);
        EQUAL(drift_channel_try_send(&channel, 7), DRIFT_WAIT_BUSY);
        drift_mutex_unlock(&mutex);
        EQUAL(drift_mutex_try_lock(&mutex), 0);
        sleep_in_full();
    }
}

static void a_cancel_ends_every_wait(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_cancels, exec, exec);
    task_join(&one);
}

static void body_park_for_20(task *self) {
    drift_thread_park_until(20);
    self->result = 1;
}

static void body_woken_twice(task *self) {
    task child;
    add(&arrived, 1);
    EQUAL(drift_semaphore_acquire(&semaphore, 1), 0);
    task_start(&child, body_park_for_20, 0, self->arg);
    drift_thread_join(child.vt);
    EQUAL(get(&child.result), 1);
}

static void body_wakes_twice(task *self) {
    init_all();
    task_start(&other, body_woken_twice, self->arg, self->arg);
    let_wait(1);
    /* Ready by the cancel, and handed a permit before it runs: it has that. */
    EQUAL(drift_thread_cancel(other.vt), 0);
    drift_semaphore_release(&semaphore, 1);
    EQUAL(drift_semaphore_try_acquire(&semaphore, 1), DRIFT_WAIT_BUSY);
    task_join(&other);
}

static void a_second_wake_ends_no_later_wait(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_wakes_twice, exec, exec);
    task_join(&one);
}

static const test_case cases[] = {
    {"every_wait_times_out", every_wait_times_out},
    {"a_wake_before_the_deadline_leaves_nothing_over",
     a_wake_before_the_deadline_leaves_nothing_over},
    {"a_cancel_ends_every_wait", a_cancel_ends_every_wait},
    {"a_second_wake_ends_no_later_wait", a_second_wake_ends_no_later_wait},
};

CASES_MAIN(cases)
