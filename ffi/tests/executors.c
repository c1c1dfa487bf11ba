/* Executors: order, limits, both saturation policies, growth, and long runs.
 *
 * | case              | arguments                                                          |
 * |-------------------|--------------------------------------------------------------------|
 * | many              | executors (20)                                                     |
 * | order_of_starts   | virtual threads (200)                                              |
 * | order_of_resumes  | virtual threads (200)                                              |
 * | limit_under_load  | OS threads (4), submits of each (500), limit (3)                   |
 * | the rest          | none                                                               |
 */
#include "harness.h"

#include <sys/syscall.h>

static i64 executor;
static i64 arrived;
static i64 go;
static i64 order;

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_ordered(task *self) {
    self->result = add(&order, 1);
}

static void body_spins(task *self) {
    add(&arrived, 1);
    spin_for(&go, 1);
    self->result = 1;
}

static void body_parks(task *self) {
    add(&arrived, 1);
    drift_thread_park(0);
    self->result = add(&order, 1);
}

static i64 limited(i64 limit, i64 timeout_ms, i64 saturation) {
    i64 exec = drift_exec_create(1, 1, limit, timeout_ms, saturation);
    CHECK(exec > 0, "no executor");
    return exec;
}

static task *make_tasks(i64 count) {
    task *tasks = (task *)calloc((size_t)count, sizeof(task));
    CHECK(tasks != NULL, "no memory");
    return tasks;
}

/* Many executors, each with a virtual thread of its own. */
static void many(void) {
    i64 count = param(0, 20);
    task *tasks = make_tasks(count);
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_nothing, 0, make_executor(1 + i % 3));
    }
    for (i64 i = 0; i < count; i++) {
        task_join(&tasks[i]);
    }
}

/* On one carrier they start in the order of their submits. */
static void order_of_starts(void) {
    i64 count = param(0, 200);
    task *tasks = make_tasks(count);
    i64 exec = make_executor(1);
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_ordered, 0, exec);
    }
    for (i64 i = 0; i < count; i++) {
        task_join(&tasks[i]);
        EQUAL(tasks[i].result, i);
    }
}

/* And resume in the order in which they became ready, whoever made them so. */
static task *parked_tasks;
static i64 parked_count;

static void body_unparks_all(task *self) {
    for (i64 i = 0; i < parked_count; i++) {
        drift_thread_unpark(parked_tasks[i * 7 % parked_count].vt);
    }
    self->result = 1;
}

/* Whoever was running on the one carrier of `exec` is parked when this returns. */
static void settle(i64 exec) {
    task last;
    task_start(&last, body_nothing, 0, exec);
    task_join(&last);
}

static void resumes(int from_a_virtual_thread) {
    task unparker;
    i64 exec = make_executor(1);
    order = 0;
    arrived = 0;
    for (i64 i = 0; i < parked_count; i++) {
        task_start(&parked_tasks[i], body_parks, 0, exec);
    }
    wait_for(&arrived, parked_count);
    settle(exec);
    if (from_a_virtual_thread) {
        task_start(&unparker, body_unparks_all, 0, exec);
        task_join(&unparker);
    } else {
        body_unparks_all(&unparker);
    }
    for (i64 i = 0; i < parked_count; i++) {
        task *one = &parked_tasks[i * 7 % parked_count];
        task_join(one);
        EQUAL(one->result, i);
    }
}

static void order_of_resumes(void) {
    parked_count = param(0, 200);
    parked_count += parked_count % 7 == 0;
    parked_tasks = make_tasks(parked_count);
    resumes(1);
    resumes(0);
}

/* A yield lets every other ready one run first. */
static void body_yields(task *self) {
    for (i64 i = 0; i < 100; i++) {
        EQUAL(add(&order, 1) % 2, self->arg);
        drift_thread_yield();
    }
}

static void body_starts_two(task *self) {
    task two[2];
    task_start(&two[0], body_yields, 0, self->arg);
    task_start(&two[1], body_yields, 1, self->arg);
    task_join(&two[0]);
    task_join(&two[1]);
}

static void yields_alternate(void) {
    task one;
    i64 exec = make_executor(1);
    task_start(&one, body_starts_two, exec, exec);
    task_join(&one);
    EQUAL(order, 200);
}

/* They run on carriers of their own executor only. */
static void body_same_thread(task *self) {
    self->result = syscall(SYS_gettid);
    for (int i = 0; i < 50; i++) {
        drift_thread_park_until(1);
        EQUAL(syscall(SYS_gettid), self->result);
    }
}

static void executors_do_not_mix(void) {
    task tasks[3];
    for (int i = 0; i < 3; i++) {
        task_start(&tasks[i], body_same_thread, 0, make_executor(1));
    }
    for (int i = 0; i < 3; i++) {
        task_join(&tasks[i]);
        CHECK(tasks[i].result != syscall(SYS_gettid), "runs on main's thread");
        CHECK(i == 0 || tasks[i].result != tasks[0].result, "two executors share a carrier");
    }
}

/* Ready and running ones count against the limit, parked ones do not. */
static void limit_counts_ready_and_running(void) {
    task parked;
    task running;
    task ready;
    task refused;
    i64 exec = limited(2, 0, DRIFT_SATURATION_BUSY);
    task_start(&parked, body_parks, 0, exec);
    wait_for(&arrived, 1);
    settle(exec);
    task_start(&running, body_spins, 0, exec);
    wait_for(&arrived, 2);
    task_start(&ready, body_nothing, 0, exec);
    EQUAL(drift_exec_submit(exec, task_spawn(&refused, body_nothing, 0)), 1);
    /* Refused, and exactly as it was: it can be submitted again. */
    drift_thread_unpark(parked.vt);
    EQUAL(drift_exec_submit(exec, refused.vt), 1);
    set(&go, 1);
    task_join(&running);
    task_join(&ready);
    task_join(&parked);
    EQUAL(drift_exec_submit(exec, refused.vt), 0);
    task_join(&refused);
}

/* Every place comes back: whatever was refused meanwhile is let in later. */
static i64 limit_submits;
static i64 inside;

static void body_inside(task *self) {
    EQUAL(add(&inside, 1), 0);
    self->result = add(&inside, -1);
}

static void *submits_until_accepted(void *argument) {
    i64 exec = *(i64 *)argument;
    for (i64 i = 0; i < limit_submits; i++) {
        task one;
        i64 code;
        task_spawn(&one, body_inside, 0);
        while ((code = drift_exec_submit(exec, one.vt)) == 1) {
            sched_yield();
        }
        EQUAL(code, 0);
        task_join(&one);
    }
    return NULL;
}

static void limit_under_load(void) {
    enum { MOST = 64 };
    pthread_t ids[MOST];
    i64 threads = param(0, 4);
    CHECK(threads <= MOST, "at most %d", MOST);
    limit_submits = param(1, 500);
    const i64 policies[] = {DRIFT_SATURATION_BUSY, DRIFT_SATURATION_BLOCK};
    for (int policy = 0; policy < 2; policy++) {
        i64 exec = limited(param(2, 3), 0, policies[policy]);
        for (i64 i = 0; i < threads; i++) {
            EQUAL(pthread_create(&ids[i], NULL, submits_until_accepted, &exec), 0);
        }
        for (i64 i = 0; i < threads; i++) {
            EQUAL(pthread_join(ids[i], NULL), 0);
        }
    }
}

/* An OS thread that waits in a submit; `tid` is 0 until it is about to. */
typedef struct submitter {
    pthread_t id;
    i64 tid;
    i64 code;
    task work;
} submitter;

static void *waits_in_submit(void *argument) {
    submitter *self = (submitter *)argument;
    task_spawn(&self->work, body_ordered, 0);
    set(&self->tid, syscall(SYS_gettid));
    self->code = drift_exec_submit(executor, self->work.vt);
    return NULL;
}

/* Starts it, and returns when the kernel says that it sleeps: proc(5), /proc/pid/stat, state. */
static void start_submitter(submitter *self) {
    char path[64];
    char state = 'R';
    memset(self, 0, sizeof *self);
    EQUAL(pthread_create(&self->id, NULL, waits_in_submit, self), 0);
    wait_for(&self->tid, 1);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)get(&self->tid));
    while (state != 'S') {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL, "the submit did not wait");
        CHECK(fscanf(file, "%*d %*s %c", &state) == 1, "no state of an OS thread");
        fclose(file);
        sched_yield();
    }
}

/* Block: OS threads get in first come, first served. */
static void block_is_fifo_for_os_threads(void) {
    task busy;
    static submitter submitters[6];
    executor = limited(1, 0, DRIFT_SATURATION_BLOCK);
    task_start(&busy, body_spins, 0, executor);
    wait_for(&arrived, 1);
    for (int i = 0; i < 6; i++) {
        start_submitter(&submitters[i]);
    }
    set(&go, 1);
    task_join(&busy);
    for (int i = 0; i < 6; i++) {
        EQUAL(pthread_join(submitters[i].id, NULL), 0);
        EQUAL(submitters[i].code, 0);
        task_join(&submitters[i].work);
        EQUAL(submitters[i].work.result, i);
    }
}

/* Block with a time-out: the one whose time runs out is gone from the queue, and the next gets
 * the place. A virtual thread among them parks: its carrier goes on. */
static void body_submits_with_timeout(task *self) {
    task inner;
    span start = span_start();
    add(&arrived, 1);
    EQUAL(drift_exec_submit(executor, task_spawn(&inner, body_nothing, 0)), 2);
    NOT_SHORT(start, 20);
    drift_thread_drop(inner.vt);
    task_never_ran(&inner);
    start = span_start();
    std_sleep(20);
    NOT_SHORT(start, 20);
    self->result = 1;
}

static void block_times_out(void) {
    task busy;
    task submitters[3];
    task bystander;
    task later;
    i64 exec = make_executor(1);
    executor = limited(1, 20, DRIFT_SATURATION_BLOCK);
    task_start(&busy, body_spins, 0, executor);
    wait_for(&arrived, 1);
    for (int i = 0; i < 3; i++) {
        task_start(&submitters[i], body_submits_with_timeout, 0, exec);
    }
    task_start(&bystander, body_nothing, 0, exec);
    task_join(&bystander);
    for (int i = 0; i < 3; i++) {
        task_join(&submitters[i]);
    }
    span start = span_start();
    EQUAL(drift_exec_submit(executor, task_spawn(&later, body_nothing, 0)), 2);
    NOT_SHORT(start, 20);
    set(&go, 1);
    task_join(&busy);
    i64 code = drift_exec_submit(executor, later.vt);
    EQUAL(code, 0);
    task_join(&later);
}

/* ReturnBusy answers at once, on a virtual thread and off. */
static void body_refused(task *self) {
    task inner;
    EQUAL(drift_exec_submit(executor, task_spawn(&inner, body_nothing, 0)), 1);
    drift_thread_drop(inner.vt);
    task_never_ran(&inner);
    self->result = 1;
}

static void busy_is_refused_everywhere(void) {
    task busy;
    task one;
    executor = limited(1, 60000, DRIFT_SATURATION_BUSY);
    task_start(&busy, body_spins, 0, executor);
    wait_for(&arrived, 1);
    body_refused(&one);
    run_on_executor(body_refused, 0, 1);
    set(&go, 1);
    task_join(&busy);
}

/* Between min and max: two compute, and the third still runs. */
static void elastic_grows(void) {
    task spinners[2];
    task other;
    i64 exec = drift_exec_create(1, 3, 0, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor");
    task_start(&spinners[0], body_spins, 0, exec);
    task_start(&spinners[1], body_spins, 0, exec);
    wait_for(&arrived, 2);
    task_start(&other, body_nothing, 0, exec);
    task_join(&other);
    set(&go, 1);
    task_join(&spinners[0]);
    task_join(&spinners[1]);
}

/* One computes until all it started have run and slept: its queue is stolen, and its timers are
 * fired elsewhere. */
static i64 children_done;

static void body_sleeps_and_counts(task *self) {
    drift_thread_park_until(self->arg);
    std_sleep(self->arg);
    add(&children_done, 1);
}

static void body_long_run(task *self) {
    static task children[20];
    for (int i = 0; i < 20; i++) {
        task_start(&children[i], body_sleeps_and_counts, 1 + i % 5, self->arg);
    }
    /* Gives them the chance to sleep on this very carrier. */
    for (int i = 0; i < 40; i++) {
        drift_thread_yield();
    }
    spin_for(&children_done, 20);
    for (int i = 0; i < 20; i++) {
        task_join(&children[i]);
    }
    self->result = 1;
}

static void long_run_on(i64 exec) {
    task one;
    set(&children_done, 0);
    task_start(&one, body_long_run, exec, exec);
    task_join(&one);
}

static void long_run_does_not_stop_others(void) {
    i64 exec = make_executor(2);
    for (int i = 0; i < 5; i++) {
        long_run_on(exec);
    }
}

static void long_run_on_an_elastic_executor(void) {
    i64 exec = drift_exec_create(1, 2, 0, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor");
    long_run_on(exec);
}

static const test_case cases[] = {
    {"many", many},
    {"order_of_starts", order_of_starts},
    {"order_of_resumes", order_of_resumes},
    {"yields_alternate", yields_alternate},
    {"executors_do_not_mix", executors_do_not_mix},
    {"limit_counts_ready_and_running", limit_counts_ready_and_running},
    {"limit_under_load", limit_under_load},
    {"block_is_fifo_for_os_threads", block_is_fifo_for_os_threads},
    {"block_times_out", block_times_out},
    {"busy_is_refused_everywhere", busy_is_refused_everywhere},
    {"elastic_grows", elastic_grows},
    {"long_run_does_not_stop_others", long_run_does_not_stop_others},
    {"long_run_on_an_elastic_executor", long_run_on_an_elastic_executor},
};

CASES_MAIN(cases)
