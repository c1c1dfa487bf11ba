/* fork(2) off virtual threads: the child has a fresh runtime, every handle of the parent is stale
 * in it, and the parent goes on as if nothing had been.
 *
 * Arguments: forks (5).
 */
#include "harness.h"

#include <sys/wait.h>

/* The parent's virtual threads, by what they are at the time of the fork. */
enum { NEW, READY, RUNNING, PARKED, SLEEPING, WAITING, ENDED, COUNT };

static task tasks[COUNT];
static i64 executor;
static i64 eventfd;
static i64 arrived;
static i64 go;

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_spins(task *self) {
    add(&arrived, 1);
    spin_for(&go, 1);
    self->result = 1;
}

static void body_parks(task *self) {
    add(&arrived, 1);
    drift_thread_park(0);
    self->result = 1;
}

static void body_sleeps(task *self) {
    add(&arrived, 1);
    std_sleep(self->arg);
    self->result = 1;
}

static void body_waits_for_io(task *self) {
    drift_reactor_register_io(self->arg, DRIFT_INTEREST_READ, self->vt, 0);
    add(&arrived, 1);
    drift_thread_park(0);
    self->result = 1;
}

/* For the descriptor of the parent's, in the child: nothing comes before the deadline. */
static void body_waits_briefly(task *self) {
    drift_reactor_register_io(self->arg, DRIFT_INTEREST_READ, self->vt, 5);
    drift_thread_park(0);
    self->result = 1;
}

static void start_all(void) {
    i64 others = make_executor(2);
    executor = make_executor(1);
    eventfd = drift_test_eventfd_create();
    set(&go, 0);
    set(&arrived, 0);
    task_start(&tasks[ENDED], body_nothing, 0, executor);
    wait_for(&tasks[ENDED].drops, 1);
    task_start(&tasks[RUNNING], body_spins, 0, executor);
    task_start(&tasks[PARKED], body_parks, 0, others);
    task_start(&tasks[SLEEPING], body_sleeps, 40, others);
    task_start(&tasks[WAITING], body_waits_for_io, eventfd, others);
    wait_for(&arrived, 4);
    task_start(&tasks[READY], body_nothing, 0, executor);
    task_spawn(&tasks[NEW], body_nothing, 0);
}

static void all_end(void) {
    set(&go, 1);
    drift_thread_unpark(tasks[PARKED].vt);
    drift_test_eventfd_write(eventfd, 1);
    EQUAL(drift_exec_submit(executor, tasks[NEW].vt), 0);
    for (int i = 0; i < COUNT; i++) {
        task_ends(&tasks[i]);
        EQUAL(tasks[i].result, 1);
    }
}

/* What the child may do with each handle that it has from its parent. */
static void all_are_stale(void) {
    task fresh;
    for (int i = 0; i < COUNT; i++) {
        i64 vt = tasks[i].vt;
        i64 calls = get(&tasks[i].calls);
        i64 drops = get(&tasks[i].drops);
        EQUAL(drift_thread_is_completed(vt), 1);
        EQUAL(drift_thread_cancel(vt), 1);
        EQUAL(drift_thread_join_timeout(vt, 1), 0);
        drift_thread_join(vt);
        drift_thread_unpark(vt);
        drift_reactor_register_timer(0, vt);
        drift_reactor_register_io(eventfd, DRIFT_INTEREST_READ, vt, 1);
        drift_thread_drop(vt);
        CHECK(drift_exec_submit(0, vt) >= DRIFT_SUBMIT_FAILED, "a stale handle is submitted");
        EQUAL(get(&tasks[i].calls), calls);
        EQUAL(get(&tasks[i].drops), drops);
    }
    task_spawn(&fresh, body_nothing, 0);
    CHECK(drift_exec_submit(executor, fresh.vt) >= DRIFT_SUBMIT_FAILED,
          "an executor of the parent takes work");
    drift_thread_drop(fresh.vt);
    task_never_ran(&fresh);
}

/* Everything works afresh, with handles that the parent has not. */
static void body_child(task *self) {
    task children[100];
    for (int i = 0; i < 100; i++) {
        task_start(&children[i], body_sleeps, 1, drift_exec_default_get());
        for (int j = 0; j < COUNT; j++) {
            CHECK(children[i].vt != tasks[j].vt, "a handle of the parent names a new one");
        }
    }
    for (int i = 0; i < 100; i++) {
        task_join(&children[i]);
    }
    self->result = 1;
}

static void works_afresh(void) {
    task one;
    task reader;
    task brief;
    i64 fd = drift_test_eventfd_create();
    i64 exec = make_executor(2);
    set(&arrived, 0);
    task_start(&reader, body_waits_for_io, fd, exec);
    task_start(&brief, body_waits_briefly, eventfd, exec);
    wait_for(&arrived, 1);
    task_start(&one, body_child, 0, exec);
    task_ends(&one);
    drift_test_eventfd_write(fd, 1);
    task_ends(&reader);
    task_ends(&brief);
    /* The parent waits for it still, and for what it has registered. */
    EQUAL(close((int)eventfd), 0);
}

/* Ends with 0; a check that fails, with 1; a hang, by SIGALRM. */
static void fork_once(int depth) {
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0, "no child");
    if (child == 0) {
        alarm(40);
        all_are_stale();
        works_afresh();
        all_are_stale();
        if (depth > 1) {
            start_all();
            fork_once(depth - 1);
            all_end();
        }
        _exit(0);
    }
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child's status is %#x", status);
}

static void child_has_a_fresh_runtime(void) {
    for (i64 i = 0; i < param(0, 5); i++) {
        start_all();
        fork_once(1);
        all_end();
    }
}

static void grandchild_has_a_fresh_runtime(void) {
    for (i64 i = 0; i < param(0, 5); i++) {
        start_all();
        fork_once(2);
        all_end();
    }
}

static void *forks_elsewhere(void *argument) {
    fork_once(1);
    return argument;
}

static void forked_by_another_thread(void) {
    pthread_t thread;
    start_all();
    EQUAL(pthread_create(&thread, NULL, forks_elsewhere, NULL), 0);
    EQUAL(pthread_join(thread, NULL), 0);
    all_end();
}

static const test_case cases[] = {
    {"child_has_a_fresh_runtime", child_has_a_fresh_runtime},
    {"grandchild_has_a_fresh_runtime", grandchild_has_a_fresh_runtime},
    {"forked_by_another_thread", forked_by_another_thread},
};

CASES_MAIN(cases)
