/* What the C runtime gets wrong about executors, the reactor and the process: one case for each
 * defect, by the number of its line in the description of the ABI. d30, shadowed names of the C
 * library, is `shadow.c`.
 */
#include "harness.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

static i64 ready;
static i64 go;
static i64 running;
static i64 order;

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_ordered(task *self) {
    self->result = add(&order, 1);
}

static void body_spins_until_go(task *self) {
    add(&ready, 1);
    spin_for(&go, 1);
    self->result = 1;
}

/* d16: Block must wait in FIFO order, a virtual thread by parking and an OS thread by blocking,
 * and answer 2 at the time-out. */
static i64 gate_executor;

static void body_submits(task *self) {
    task inner;
    add(&ready, 1);
    EQUAL(drift_exec_submit(gate_executor, task_spawn(&inner, body_ordered, 0)), 0);
    task_join(&inner);
    self->result = inner.result;
}

static void d16(void) {
    task busy;
    task refused;
    task submitters[8];
    i64 impatient = drift_exec_create(1, 1, 1, 10, DRIFT_SATURATION_BLOCK);
    gate_executor = drift_exec_create(1, 1, 1, 0, DRIFT_SATURATION_BLOCK);
    CHECK(impatient > 0 && gate_executor > 0, "no executor");
    task_start(&busy, body_spins_until_go, 0, impatient);
    span start = span_start();
    EQUAL(drift_exec_submit(impatient, task_spawn(&refused, body_nothing, 0)), 2);
    NOT_SHORT(start, 10);
    drift_thread_drop(refused.vt);
    task_never_ran(&refused);
    set(&go, 1);
    task_join(&busy);

    set(&go, 0);
    task_start(&busy, body_spins_until_go, 0, gate_executor);
    /* All on one carrier: that the next one gets to its submit shows that the last one parked. */
    set(&ready, 0);
    for (int i = 0; i < 8; i++) {
        task_start(&submitters[i], body_submits, 0, drift_exec_default_get());
    }
    wait_for(&ready, 8);
    set(&go, 1);
    task_join(&busy);
    for (int i = 0; i < 8; i++) {
        task_join(&submitters[i]);
        EQUAL(submitters[i].result, i);
    }
}

/* d17: submit must not lose a virtual thread to executor 0: refused, or run on the default. */
static void d17(void) {
    task one;
    if (drift_exec_submit(0, task_spawn(&one, body_nothing, 0)) == 0) {
        task_join(&one);
    } else {
        drift_thread_drop(one.vt);
        task_never_ran(&one);
    }
    CHECK(drift_exec_submit(drift_exec_default_get(), 0) >= 0, "a negative code");
}

/* d18: the limit must be exact, whoever submits at once. */
enum { LIMIT = 5, SUBMITTERS = 4, EACH = 200 };
static i64 accepted;
static task limited_tasks[SUBMITTERS][EACH];
static i64 limited;

static void *submits(void *argument) {
    task *tasks = (task *)argument;
    for (int i = 0; i < EACH; i++) {
        i64 code = drift_exec_submit(limited, task_spawn(&tasks[i], body_spins_until_go, 0));
        if (code == 0) {
            add(&accepted, 1);
        } else {
            EQUAL(code, 1);
            drift_thread_drop(tasks[i].vt);
            task_never_ran(&tasks[i]);
        }
    }
    return NULL;
}

static void d18(void) {
    pthread_t ids[SUBMITTERS];
    limited = drift_exec_create(1, 1, LIMIT, 0, DRIFT_SATURATION_BUSY);
    CHECK(limited > 0, "no executor");
    for (int i = 0; i < SUBMITTERS; i++) {
        EQUAL(pthread_create(&ids[i], NULL, submits, limited_tasks[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        EQUAL(pthread_join(ids[i], NULL), 0);
    }
    EQUAL(get(&accepted), LIMIT);
    set(&go, 1);
    wait_for(&ready, LIMIT);
}

/* d19: must report 0 when the carriers cannot be had; else what is made must work. */
static void d19(void) {
    task one;
    i64 exec = drift_exec_create((i64)1 << 40, (i64)1 << 40, 0, 0, DRIFT_SATURATION_BUSY);
    if (exec != 0) {
        task_start(&one, body_nothing, 0, exec);
        task_join(&one);
    }
}

/* d20: timers must fire in the order of their deadlines, and never early. One carrier; lengths
 * are 20 to 120 ms and counted from one moment. */
static i64 base_ms;

static void body_deadline(task *self) {
    drift_reactor_register_timer(base_ms + self->arg, self->vt);
    if (drift_time_now_ms() >= base_ms + 20) {
        set(&go, 1);
    }
    drift_thread_park(0);
    CHECK(drift_time_now_ms() >= base_ms + self->arg, "early");
    self->result = add(&order, 1);
}

static void d20(void) {
    task tasks[51];
    i64 exec = make_executor(1);
    base_ms = drift_time_now_ms();
    for (int i = 0; i < 51; i++) {
        /* 20 and 51 have no common factor, so this is a permutation. */
        task_start(&tasks[i], body_deadline, 20 + 2 * (i * 20 % 51), exec);
    }
    for (int i = 0; i < 51; i++) {
        task_join(&tasks[i]);
    }
    if (get(&go) != 0) {
        LOST("not all armed before the first deadline");
    }
    for (int i = 0; i < 51; i++) {
        EQUAL(tasks[i].result, (tasks[i].arg - 20) / 2);
    }
}

/* d21: every registration must end with its wait. */
static void body_leftovers(task *self) {
    i64 fd = drift_test_eventfd_create();
    drift_test_eventfd_write(fd, 1);
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, self->vt, 15);
    drift_thread_park(0);
    span start = span_start();
    drift_thread_park_until(30);
    NOT_SHORT(start, 30);

    i64 late = drift_test_eventfd_create();
    drift_reactor_register_io(late, DRIFT_INTEREST_READ, self->vt, 2);
    drift_thread_park(0);
    start = span_start();
    drift_test_eventfd_write(late, 1);
    drift_thread_park_until(30);
    NOT_SHORT(start, 30);
}

static void d21(void) {
    run_on_executor(body_leftovers, 0, 1);
}

/* d22: must keep both directions and several waiters of one descriptor. */
static void body_waits_read(task *self) {
    add(&ready, 1);
    drift_reactor_register_io(self->arg, DRIFT_INTEREST_READ, self->vt, 0);
    drift_thread_park(0);
    self->result = 1;
}

static void body_waits_write(task *self) {
    drift_reactor_register_io(self->arg, DRIFT_INTEREST_WRITE, self->vt, 0);
    drift_thread_park(0);
    self->result = 1;
}

static void d22(void) {
    int pair[2];
    task readers[3];
    task writer;
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    i64 exec = make_executor(1);
    for (int i = 0; i < 3; i++) {
        task_start(&readers[i], body_waits_read, pair[0], exec);
    }
    wait_for(&ready, 3);
    task_start(&writer, body_waits_write, pair[0], exec);
    task_join(&writer);
    for (int i = 0; i < 3; i++) {
        EQUAL(drift_thread_is_completed(readers[i].vt), 0);
    }
    EQUAL(write(pair[1], "x", 1), 1);
    for (int i = 0; i < 3; i++) {
        task_join(&readers[i]);
    }
}

/* d23: must find that a number was closed and used again. The kernel dropped the old one. */
static void body_reused_number(task *self) {
    i64 first = drift_test_eventfd_create();
    drift_test_eventfd_write(first, 1);
    drift_reactor_register_io(first, DRIFT_INTEREST_READ, self->vt, 0);
    drift_thread_park(0);
    for (int i = 0; i < 100; i++) {
        close((int)first);
        EQUAL(drift_test_eventfd_create(), first);
        if (i % 2 == 0) {
            std_block_on_io(first, DRIFT_INTEREST_WRITE, 0);
        } else {
            span start = span_start();
            std_block_on_io(first, DRIFT_INTEREST_READ, 1);
            NOT_SHORT(start, 1);
            drift_test_eventfd_write(first, 1);
            std_block_on_io(first, DRIFT_INTEREST_READ, 0);
        }
    }
}

static void d23(void) {
    run_on_executor(body_reused_number, 0, 1);
}

/* d24: a registration that fails must wake. */
static void body_refused_descriptors(task *self) {
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    i64 closed = dup(file);
    close((int)closed);
    const i64 fds[] = {file, closed, -1, INT64_MIN, INT64_MAX, ((i64)1 << 32) + 1000};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        drift_reactor_register_io(fds[i], DRIFT_INTEREST_READ, self->vt, 0);
        drift_thread_park(0);
        drift_reactor_register_io(fds[i], DRIFT_INTEREST_WRITE, self->vt, 60000);
        drift_thread_park(0);
    }
}

static void d24(void) {
    run_on_executor(body_refused_descriptors, 0, 1);
}

/* d25: there must be one reactor and one runtime, also when several threads call first. */
static i64 reactors[4];
static int hung_up[2];

static void body_registers_first(task *self) {
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 0);
    std_sleep(2);
    self->result = 1;
}

/* Readable, and made without the runtime. */
static void make_hung_up(void) {
    EQUAL(pipe2(hung_up, O_CLOEXEC), 0);
    close(hung_up[1]);
}

static void *calls_first(void *argument) {
    task one;
    spin_for(&go, 1);
    *(i64 *)argument = drift_reactor_default_get();
    task_start(&one, body_registers_first, hung_up[0], drift_exec_default_get());
    task_join(&one);
    return NULL;
}

static void d25(void) {
    pthread_t ids[4];
    make_hung_up();
    for (int i = 0; i < 4; i++) {
        EQUAL(pthread_create(&ids[i], NULL, calls_first, &reactors[i]), 0);
    }
    set(&go, 1);
    for (int i = 0; i < 4; i++) {
        EQUAL(pthread_join(ids[i], NULL), 0);
        EQUAL(reactors[i], reactors[0]);
    }
}

/* d26: descriptors of the runtime must not survive exec. Those that are open before are not its
 * own. */
static void d26(void) {
    char before[1024] = {0};
    task one;
    make_hung_up();
    for (int fd = 0; fd < 1024; fd++) {
        before[fd] = fcntl(fd, F_GETFD) != -1;
    }
    task_start(&one, body_registers_first, hung_up[0], drift_exec_default_get());
    task_join(&one);
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        CHECK(before[fd] || flags == -1 || (flags & FD_CLOEXEC), "descriptor %d is inherited", fd);
    }
}

/* d27: a wake between two on one carrier needs no other thread: hardly a switch of the kernel's.
 */
static task pair_of[2];

static void body_hands_over(task *self) {
    task *other = &pair_of[1 - self->arg];
    for (i64 i = 1; i <= 20000; i++) {
        while (get(&running) % 2 != self->arg) {
            drift_thread_park(0);
        }
        add(&running, 1);
        drift_thread_unpark(other->vt);
    }
}

static void d27(void) {
    struct rusage before;
    struct rusage after;
    i64 exec = make_executor(1);
    task_spawn(&pair_of[0], body_hands_over, 0);
    task_spawn(&pair_of[1], body_hands_over, 1);
    EQUAL(getrusage(RUSAGE_SELF, &before), 0);
    EQUAL(drift_exec_submit(exec, pair_of[0].vt), 0);
    EQUAL(drift_exec_submit(exec, pair_of[1].vt), 0);
    task_join(&pair_of[0]);
    task_join(&pair_of[1]);
    EQUAL(getrusage(RUSAGE_SELF, &after), 0);
    EQUAL(get(&running), 40000);
    CHECK(after.ru_nvcsw - before.ru_nvcsw < 2000, "%ld blocks for 40000 wakes",
          after.ru_nvcsw - before.ru_nvcsw);
}

/* d28: exit with some that never ran: prompt, with main's code. */
static void d28(void) {
    pid_t child = fork();
    CHECK(child >= 0, "no child");
    if (child == 0) {
        static task busy;
        static task queued[100];
        i64 exec = make_executor(1);
        task_start(&busy, body_spins_until_go, 0, exec);
        for (int i = 0; i < 100; i++) {
            task_start(&queued[i], body_nothing, 0, exec);
        }
        exit(7);
    }
    int status = 0;
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "ended with status %#x", status);
}

/* d29: the override must be safe to set from any thread. */
static void *flips_override(void *argument) {
    while (get(&go) == 0) {
        drift_exec_submit_test_override(2);
        drift_exec_submit_test_override(-1);
    }
    drift_exec_submit_test_override(-1);
    return argument;
}

static void d29(void) {
    pthread_t id;
    i64 exec = make_executor(2);
    EQUAL(pthread_create(&id, NULL, flips_override, NULL), 0);
    for (int i = 0; i < 5000; i++) {
        task one;
        i64 code = drift_exec_submit(exec, task_spawn(&one, body_nothing, 0));
        if (code == 0) {
            task_join(&one);
        } else {
            EQUAL(code, 2);
            drift_thread_drop(one.vt);
            task_never_ran(&one);
        }
    }
    set(&go, 1);
    EQUAL(pthread_join(id, NULL), 0);
}

static const test_case cases[] = {
    {"d16", d16}, {"d17", d17}, {"d18", d18}, {"d19", d19}, {"d20", d20},
    {"d21", d21}, {"d22", d22}, {"d23", d23}, {"d24", d24}, {"d25", d25},
    {"d26", d26}, {"d27", d27}, {"d28", d28}, {"d29", d29},
};

CASES_MAIN(cases)
