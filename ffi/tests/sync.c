/* Mutex, condition variable, semaphore, channel: between virtual threads, OS threads and both.
 *
 * How they end before their cause is in `sync_waits.c`.
 */
#include "harness.h"

#define CROWD 1000
#define ROUNDS 20

static task crowd[CROWD];
static drift_mutex_t mutex;
static drift_condvar_t condvar;
static drift_semaphore_t semaphore;
static drift_channel_t channel;
static uint64_t slots[8];
/* Raised by who is about to wait. */
static i64 arrived;
/* Behind `mutex`; or another's, as the case says. */
static i64 count;
static i64 order[CROWD];

static void init_all(void) {
    memset(&mutex, 0xa5, sizeof mutex);
    memset(&condvar, 0xa5, sizeof condvar);
    memset(&semaphore, 0xa5, sizeof semaphore);
    memset(&channel, 0xa5, sizeof channel);
    drift_mutex_init(&mutex);
    drift_condvar_init(&condvar);
    drift_semaphore_init(&semaphore, 0);
    drift_channel_init(&channel, NULL, 0);
    count = 0;
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

/* --- exclusion --- */

static void count_up(i64 rounds) {
    for (i64 i = 0; i < rounds; i++) {
        EQUAL(drift_mutex_lock(&mutex), 0);
        i64 seen = count;
        if (i % 4 == 0) {
            drift_thread_yield();
        }
        count = seen + 1;
        drift_mutex_unlock(&mutex);
    }
}

static void body_count_up(task *self) {
    count_up(ROUNDS);
    if (self->arg % 100 == 0) {
        sleep_in_full();
    }
}

static void exclude(i64 carriers) {
    i64 exec = make_executor(carriers);
    init_all();
    for (i64 i = 0; i < CROWD; i++) {
        task_start(&crowd[i], body_count_up, i, exec);
    }
    for (i64 i = 0; i < CROWD; i++) {
        task_join(&crowd[i]);
    }
    EQUAL(count, CROWD * ROUNDS);
    EQUAL(drift_mutex_try_lock(&mutex), 0);
}

static void *thread_count_up(void *unused) {
    count_up(200);
    return unused;
}

static void os_threads_and_virtual_threads_exclude_each_other(void) {
    pthread_t threads[4];
    i64 exec = make_executor(2);
    init_all();
    for (int i = 0; i < 4; i++) {
        EQUAL(pthread_create(&threads[i], NULL, thread_count_up, NULL), 0);
    }
    for (i64 i = 0; i < 50; i++) {
        task_start(&crowd[i], body_count_up, i, exec);
    }
    for (i64 i = 0; i < 50; i++) {
        task_join(&crowd[i]);
    }
    for (int i = 0; i < 4; i++) {
        EQUAL(pthread_join(threads[i], NULL), 0);
    }
    EQUAL(count, 50 * ROUNDS + 4 * 200);
}

/* --- order, on one carrier --- */

static void body_lock_in_order(task *self) {
    add(&arrived, 1);
    EQUAL(drift_mutex_lock(&mutex), 0);
    order[count++] = self->arg;
    drift_mutex_unlock(&mutex);
}

static void body_hand_over(task *self) {
    init_all();
    EQUAL(drift_mutex_lock(&mutex), 0);
    for (i64 i = 0; i < 20; i++) {
        task_start(&crowd[i], body_lock_in_order, i, self->arg);
    }
    let_wait(20);
    drift_mutex_unlock(&mutex);
    /* It is another's already, although that one has not run yet. */
    EQUAL(drift_mutex_try_lock(&mutex), DRIFT_WAIT_BUSY);
    EQUAL(drift_mutex_lock(&mutex), 0);
    EQUAL(count, 20);
    for (i64 i = 0; i < 20; i++) {
        EQUAL(order[i], i);
        task_join(&crowd[i]);
    }
}

static void a_mutex_is_handed_over_in_order(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_hand_over, exec, exec);
    task_join(&one);
}

static void body_acquire(task *self) {
    add(&arrived, 1);
    EQUAL(drift_semaphore_acquire(&semaphore, self->arg), 0);
    order[count++] = self->arg;
}

static void body_large_before_small(task *self) {
    init_all();
    drift_semaphore_release(&semaphore, 1);
    task_start(&crowd[0], body_acquire, 3, self->arg);
    let_wait(1);
    task_start(&crowd[1], body_acquire, 1, self->arg);
    let_wait(2);
    EQUAL(drift_semaphore_try_acquire(&semaphore, 1), DRIFT_WAIT_BUSY);
    drift_semaphore_release(&semaphore, 1);
    drift_thread_yield();
    EQUAL(count, 0);
    drift_semaphore_release(&semaphore, 2);
    task_join(&crowd[0]);
    task_join(&crowd[1]);
    EQUAL(order[0], 3);
    EQUAL(order[1], 1);
    EQUAL(drift_semaphore_try_acquire(&semaphore, 1), DRIFT_WAIT_BUSY);
    EQUAL(drift_semaphore_try_acquire(&semaphore, -1), 0);
}

static void a_large_request_is_not_overtaken(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_large_before_small, exec, exec);
    task_join(&one);
}

/* --- a queue of a mutex and two condition variables --- */

static struct {
    drift_mutex_t mutex;
    drift_condvar_t not_full;
    drift_condvar_t not_empty;
    i64 items[4];
    i64 len;
} queue;

static void enqueue(i64 item) {
    EQUAL(drift_mutex_lock(&queue.mutex), 0);
    while (queue.len == 4) {
        EQUAL(drift_condvar_wait(&queue.not_full, &queue.mutex), 0);
    }
    queue.items[queue.len++] = item;
    drift_mutex_unlock(&queue.mutex);
    drift_condvar_notify_one(&queue.not_empty);
}

static i64 dequeue(void) {
    EQUAL(drift_mutex_lock(&queue.mutex), 0);
    while (queue.len == 0) {
        EQUAL(drift_condvar_wait(&queue.not_empty, &queue.mutex), 0);
    }
    i64 item = queue.items[--queue.len];
    drift_mutex_unlock(&queue.mutex);
    drift_condvar_notify_one(&queue.not_full);
    return item;
}

static void body_enqueue(task *self) {
    for (i64 i = 1; i <= 100; i++) {
        enqueue(self->arg * 100 + i);
    }
    sleep_in_full();
}

static void body_dequeue(task *self) {
    for (i64 i = 0; i < 100; i++) {
        self->result += dequeue();
    }
    sleep_in_full();
}

static void *thread_enqueue(void *arg) {
    for (i64 i = 1; i <= 100; i++) {
        enqueue(900 + i);
    }
    return arg;
}

static void a_queue_of_condition_variables(void) {
    for (i64 carriers = 1; carriers <= 4; carriers *= 2) {
        pthread_t thread;
        i64 exec = make_executor(carriers);
        i64 sum = 0;
        drift_mutex_init(&queue.mutex);
        drift_condvar_init(&queue.not_full);
        drift_condvar_init(&queue.not_empty);
        queue.len = 0;
        for (i64 i = 0; i < 10; i++) {
            task_start(&crowd[i], body_dequeue, 0, exec);
        }
        for (i64 i = 0; i < 9; i++) {
            task_start(&crowd[10 + i], body_enqueue, i, exec);
        }
        EQUAL(pthread_create(&thread, NULL, thread_enqueue, NULL), 0);
        for (i64 i = 0; i < 19; i++) {
            task_join(&crowd[i]);
            sum += i < 10 ? crowd[i].result : 0;
        }
        EQUAL(pthread_join(thread, NULL), 0);
        EQUAL(sum, 1000 * 1001 / 2);
    }
}

static void body_wait_notified(task *self) {
    EQUAL(drift_mutex_lock(&mutex), 0);
    add(&arrived, 1);
    self->result = drift_condvar_wait(&condvar, &mutex);
    drift_mutex_unlock(&mutex);
}

static void notify_all_wakes_a_crowd(void) {
    i64 exec = make_executor(2);
    init_all();
    EQUAL(drift_condvar_notify_one(&condvar), 0);
    for (i64 i = 0; i < 100; i++) {
        task_start(&crowd[i], body_wait_notified, 0, exec);
    }
    wait_for(&arrived, 100);
    EQUAL(drift_mutex_lock(&mutex), 0); /* so all of them wait */
    EQUAL(drift_condvar_notify_one(&condvar), 1);
    EQUAL(drift_condvar_notify_all(&condvar), 99);
    EQUAL(drift_condvar_notify_all(&condvar), 0);
    drift_mutex_unlock(&mutex);
    for (i64 i = 0; i < 100; i++) {
        task_join(&crowd[i]);
        EQUAL(crowd[i].result, 0);
    }
}

/* --- a limit of three at once --- */

static void body_limited(task *self) {
    EQUAL(drift_semaphore_acquire(&semaphore, 1), 0);
    i64 inside = add(&count, 1) + 1;
    CHECK(inside <= 3, "%lld inside, of three", (long long)inside);
    if (self->arg % 2 == 0) {
        drift_thread_yield();
    } else {
        drift_thread_park_until(1);
    }
    add(&count, -1);
    drift_semaphore_release(&semaphore, 1);
}

static void a_semaphore_limits(void) {
    for (i64 carriers = 1; carriers <= 4; carriers *= 2) {
        i64 exec = make_executor(carriers);
        init_all();
        drift_semaphore_release(&semaphore, 3);
        for (i64 i = 0; i < 200; i++) {
            task_start(&crowd[i], body_limited, i, exec);
        }
        for (i64 i = 0; i < 200; i++) {
            task_join(&crowd[i]);
        }
        EQUAL(drift_semaphore_try_acquire(&semaphore, 4), DRIFT_WAIT_BUSY);
        EQUAL(drift_semaphore_try_acquire(&semaphore, 3), 0);
    }
}

/* --- objects whose memory is used for something else as soon as a call has let one go on --- */

static void body_release(task *self) {
    drift_semaphore_t *done = (drift_semaphore_t *)(uintptr_t)self->arg;
    drift_semaphore_release(done, 1);
}

static void body_close(task *self) {
    drift_channel_t *done = (drift_channel_t *)(uintptr_t)self->arg;
    EQUAL(drift_channel_close(done), 0);
}

/* A call that touches the object afterwards finds a lock that is never released. */
static void body_reuse(task *self) {
    for (i64 i = 0; i < 2000; i++) {
        drift_semaphore_t done;
        drift_channel_t closed;
        uint64_t value;
        drift_semaphore_init(&done, 0);
        task_start(&crowd[0], body_release, (i64)(uintptr_t)&done, self->arg);
        EQUAL(drift_semaphore_acquire(&done, 1), 0);
        memset(&done, 0x5a, sizeof done);
        drift_channel_init(&closed, NULL, 0);
        task_start(&crowd[1], body_close, (i64)(uintptr_t)&closed, self->arg);
        EQUAL(drift_channel_receive(&closed, &value), DRIFT_WAIT_CLOSED);
        memset(&closed, 0x5a, sizeof closed);
        task_join(&crowd[0]);
        task_join(&crowd[1]);
    }
}

static void memory_is_free_as_soon_as_its_last_wait_is_over(void) {
    task one;
    i64 exec = make_executor(2);
    task_start(&one, body_reuse, exec, exec);
    task_join(&one);
    /* From an OS thread likewise. */
    one.arg = exec;
    body_reuse(&one);
}

/* --- channels --- */

static drift_channel_t numbers;
static drift_channel_t doubled;

static void body_produce(task *self) {
    for (i64 i = 1; i <= self->arg; i++) {
        EQUAL(drift_channel_send(&numbers, (uint64_t)i), 0);
    }
    EQUAL(drift_channel_close(&numbers), 0);
    EQUAL(drift_channel_close(&numbers), DRIFT_WAIT_CLOSED);
    EQUAL(drift_channel_send(&numbers, 1), DRIFT_WAIT_CLOSED);
    sleep_in_full();
}

static void body_double(task *self) {
    uint64_t value;
    while (drift_channel_receive(&numbers, &value) == 0) {
        EQUAL(drift_channel_send(&doubled, 2 * value), 0);
        self->result++;
    }
    EQUAL(drift_channel_receive(&numbers, &value), DRIFT_WAIT_CLOSED);
    if (add(&arrived, 1) == 2) { /* the last of three */
        EQUAL(drift_channel_close(&doubled), 0);
    }
    sleep_in_full();
}

static void a_pipeline_ends_with_its_first_channel(void) {
    for (i64 carriers = 1; carriers <= 4; carriers *= 2) {
        i64 exec = make_executor(carriers);
        i64 sum = 0;
        uint64_t value;
        set(&arrived, 0);
        drift_channel_init(&numbers, slots, 8);
        drift_channel_init(&doubled, NULL, 0);
        task_start(&crowd[0], body_produce, 2000, exec);
        for (i64 i = 1; i <= 3; i++) {
            task_start(&crowd[i], body_double, 0, exec);
        }
        while (drift_channel_receive(&doubled, &value) == 0) {
            sum += (i64)value;
        }
        EQUAL(sum, 2000 * 2001);
        for (i64 i = 0; i <= 3; i++) {
            task_join(&crowd[i]);
        }
        EQUAL(crowd[1].result + crowd[2].result + crowd[3].result, 2000);
    }
}

static void a_ring_keeps_its_order(void) {
    uint64_t value = 77;
    uint64_t next = 0;
    drift_channel_init(&channel, slots, 3);
    EQUAL(drift_channel_try_receive(&channel, &value), DRIFT_WAIT_BUSY);
    EQUAL((i64)value, 77);
    for (uint64_t sent = 0; sent < 30;) {
        while (drift_channel_try_send(&channel, sent) == 0) {
            sent++;
        }
        EQUAL(drift_channel_len(&channel), 3);
        for (int i = 0; i < 2; i++) {
            EQUAL(drift_channel_try_receive(&channel, &value), 0);
            EQUAL((i64)value, (i64)next++);
        }
    }
    EQUAL(drift_channel_close(&channel), 0);
    EQUAL(drift_channel_try_send(&channel, 1), DRIFT_WAIT_CLOSED);
    while (drift_channel_len(&channel) > 0) {
        EQUAL(drift_channel_receive(&channel, &value), 0);
        EQUAL((i64)value, (i64)next++);
    }
    EQUAL(drift_channel_try_receive(&channel, &value), DRIFT_WAIT_CLOSED);
}

static void body_send_until_closed(task *self) {
    add(&arrived, 1);
    self->result = drift_channel_send(&channel, 7);
    sleep_in_full();
}

static void a_close_ends_the_waits_of_a_crowd(void) {
    i64 exec = make_executor(1);
    init_all();
    for (i64 i = 0; i < 50; i++) {
        task_start(&crowd[i], body_send_until_closed, 0, exec);
    }
    wait_for(&arrived, 50);
    EQUAL(drift_channel_close(&channel), 0);
    for (i64 i = 0; i < 50; i++) {
        task_join(&crowd[i]);
        EQUAL(crowd[i].result, DRIFT_WAIT_CLOSED);
    }
}

static void exclude_on_1_carrier(void) {
    exclude(1);
}
static void exclude_on_2_carriers(void) {
    exclude(2);
}
static void exclude_on_4_carriers(void) {
    exclude(4);
}

static const test_case cases[] = {
    {"a_mutex_excludes_on_1_carrier", exclude_on_1_carrier},
    {"a_mutex_excludes_on_2_carriers", exclude_on_2_carriers},
    {"a_mutex_excludes_on_4_carriers", exclude_on_4_carriers},
    {"os_threads_and_virtual_threads_exclude_each_other",
     os_threads_and_virtual_threads_exclude_each_other},
    {"a_mutex_is_handed_over_in_order", a_mutex_is_handed_over_in_order},
    {"a_large_request_is_not_overtaken", a_large_request_is_not_overtaken},
    {"a_queue_of_condition_variables", a_queue_of_condition_variables},
    {"notify_all_wakes_a_crowd", notify_all_wakes_a_crowd},
    {"a_semaphore_limits", a_semaphore_limits},
    {"memory_is_free_as_soon_as_its_last_wait_is_over",
     memory_is_free_as_soon_as_its_last_wait_is_over},
    {"a_pipeline_ends_with_its_first_channel", a_pipeline_ends_with_its_first_channel},
    {"a_ring_keeps_its_order", a_ring_keeps_its_order},
    {"a_close_ends_the_waits_of_a_crowd", a_close_ends_the_waits_of_a_crowd},
};

CASES_MAIN(cases)
