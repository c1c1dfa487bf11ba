/* Cases, checks, tasks and clocks: what the test programs of this directory share.
 *
 * A program is a table of cases: `PROGRAM NAME [ARGUMENT...]` runs one, `PROGRAM --list` names
 * them. Compiles as C11 and as C++17, so atomics are the compiler's `__atomic` builtins.
 *
 * | exit code | meaning                                                                      |
 * |-----------|------------------------------------------------------------------------------|
 * | 0         | as claimed                                                                   |
 * | 1         | wrong; one line on standard error says what                                  |
 * | 2         | a race that no contract decides went the other way; nothing was wrong        |
 * | 3         | too slow, and the machine let threads wait for a CPU for much of that time   |
 */
#ifndef DRIFT_TESTS_HARNESS_H
#define DRIFT_TESTS_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <drift.h>

typedef int64_t i64;

/* Longest wait for another thread before it counts as a hang. */
#define PATIENCE_MS 120000
/* Longest time that what is ready may wait for a carrier while others hold theirs. */
#define STARVED_MS 20000

typedef struct test_case {
    const char *name;
    void (*run)(void);
} test_case;

/* Of the case that runs. */
static const char *case_name = "";
static int case_argc;
static char **case_argv;
/* What the program exits with if all is well. */
static int case_exit_code;

static inline void finish(int code, const char *kind, const char *file, int line,
                          const char *format, va_list arguments) {
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "%s: %s: %s (%s:%d)\n", case_name, kind, text, file, line);
    _exit(code);
}

__attribute__((format(printf, 3, 4))) static inline void wrong(const char *file, int line,
                                                               const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    finish(1, "wrong", file, line, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static inline void lost(const char *file, int line,
                                                              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    finish(2, "lost race", file, line, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 3, 4))) static inline void late(const char *file, int line,
                                                              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    finish(3, "late", file, line, format, arguments);
    va_end(arguments);
}

/* CHECK(condition, "claim with %lld", (long long)value) */
#define CHECK(condition, ...) ((condition) ? (void)0 : wrong(__FILE__, __LINE__, __VA_ARGS__))
/* Not the hoped-for outcome of a race, and not wrong either. */
#define LOST(...) lost(__FILE__, __LINE__, __VA_ARGS__)
#define EQUAL(value, expected) equal(value, expected, #value, __FILE__, __LINE__)

static inline void equal(i64 value, i64 expected, const char *what, const char *file, int line) {
    if (value != expected) {
        wrong(file, line, "%s is %lld, not %lld", what, (long long)value, (long long)expected);
    }
}

/* The case's argument number `index`, from 0. */
static inline i64 param(int index, i64 fallback) {
    return index < case_argc ? (i64)strtoll(case_argv[index], NULL, 0) : fallback;
}

static inline int run_cases(int argc, char **argv, const test_case *cases, size_t count) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < count; i++) {
            puts(cases[i].name);
        }
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < count; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            case_name = cases[i].name;
            case_argc = argc - 2;
            case_argv = argv + 2;
            cases[i].run();
            return case_exit_code;
        }
    }
    fprintf(stderr, "usage: %s --list | NAME [ARGUMENT...]\n", argv[0]);
    return 64;
}

#define CASES_MAIN(cases)                                                          \
    int main(int argc, char **argv) {                                              \
        return run_cases(argc, argv, cases, sizeof(cases) / sizeof((cases)[0]));   \
    }

/* Words shared between threads. A load that sees a store sees all that came before it. */
static inline i64 get(const i64 *cell) {
    return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}
static inline void set(i64 *cell, i64 value) {
    __atomic_store_n(cell, value, __ATOMIC_RELEASE);
}
/* Returns the value before. */
static inline i64 add(i64 *cell, i64 value) {
    return __atomic_fetch_add(cell, value, __ATOMIC_ACQ_REL);
}

static inline i64 clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (i64)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
static inline i64 now_us(void) {
    return clock_us(CLOCK_MONOTONIC);
}

/* Blocks the OS thread, without the runtime. */
static inline void os_sleep_ms(i64 ms) {
    struct timespec left;
    left.tv_sec = (time_t)(ms / 1000);
    left.tv_nsec = (long)(ms % 1000) * 1000000;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Until `*cell` is at least `value`. An OS thread sleeps, a virtual thread yields. */
static inline void wait_for(const i64 *cell, i64 value) {
    i64 start = now_us();
    while (get(cell) < value) {
        if (drift_thread_current() != 0) {
            drift_thread_yield();
        } else {
            os_sleep_ms(1);
        }
        if (now_us() - start > (i64)PATIENCE_MS * 1000) {
            wrong(__FILE__, __LINE__, "hang: a word stays %lld, below %lld",
                  (long long)get(cell), (long long)value);
        }
    }
}

/* Keeps the OS thread busy until `*cell` is at least `value`: no yield, no system call. */
static inline void spin_for(const i64 *cell, i64 value) {
    while (get(cell) < value) {
    }
}

/* As `spin_for`, where the runtime must let somebody raise the word meanwhile. */
static inline void hold_for(const i64 *cell, i64 value) {
    i64 start = now_us();
    while (get(cell) < value) {
        if (now_us() - start > (i64)STARVED_MS * 1000) {
            wrong(__FILE__, __LINE__, "starved: a word stays %lld, below %lld",
                  (long long)get(cell), (long long)value);
        }
    }
}

/* A callback that counts: the object is this record, which the test owns. */
typedef struct task {
    void (*body)(struct task *self);
    i64 arg;
    i64 result;
    i64 vt;
    i64 calls;
    i64 drops;
} task;

static inline void task_call(void *object) {
    task *self = (task *)object;
    CHECK(add(&self->calls, 1) == 0, "called twice");
    CHECK(get(&self->drops) == 0, "called after its drop");
    self->body(self);
}

static inline void task_drop(void *object) {
    task *self = (task *)object;
    CHECK(add(&self->drops, 1) == 0, "dropped twice");
}

static const drift_vtable task_vtable = {task_drop, task_call};

/* New, not submitted; 0 if there is no room for it. */
static inline i64 task_try_spawn(task *self, void (*body)(task *), i64 arg) {
    DriftIface callback;
    memset(self, 0, sizeof *self);
    self->body = body;
    self->arg = arg;
    memset(&callback, 0xa5, sizeof callback);
    callback.data = self;
    callback.vtable = &task_vtable;
    callback.flags = 0;
    self->vt = drift_thread_spawn(&callback, 0);
    CHECK(self->vt >= 0, "spawn gave handle %lld", (long long)self->vt);
    memset(&callback, 0x5a, sizeof callback);
    return self->vt;
}

static inline i64 task_spawn(task *self, void (*body)(task *), i64 arg) {
    CHECK(task_try_spawn(self, body, arg) > 0, "spawn gave no handle");
    return self->vt;
}

static inline void task_start(task *self, void (*body)(task *), i64 arg, i64 exec) {
    EQUAL(drift_exec_submit(exec, task_spawn(self, body, arg)), 0);
}

static inline void task_ran_once(const task *self) {
    EQUAL(get(&self->calls), 1);
    EQUAL(get(&self->drops), 1);
}

static inline void task_never_ran(const task *self) {
    EQUAL(get(&self->calls), 0);
    EQUAL(get(&self->drops), 1);
}

static inline void task_join(task *self) {
    drift_thread_join(self->vt);
    task_ran_once(self);
}

/* As `task_join`, where the end may not take long; `hold_for` gives up before. */
static inline void task_ends(task *self) {
    CHECK(drift_thread_join_timeout(self->vt, 2 * STARVED_MS) == 0, "one does not end");
    task_ran_once(self);
}

/* Between `least` and `most` carriers, no limit. */
static inline i64 make_elastic(i64 least, i64 most) {
    i64 exec = drift_exec_create(least, most, 0, 0, DRIFT_SATURATION_BUSY);
    CHECK(exec > 0, "no executor of %lld to %lld carriers", (long long)least, (long long)most);
    return exec;
}

/* `carriers` of them, no limit. */
static inline i64 make_executor(i64 carriers) {
    return make_elastic(carriers, carriers);
}

/* Runs `body` on a virtual thread of a new executor and waits for its end. */
static inline void run_on_executor(void (*body)(task *), i64 arg, i64 carriers) {
    task main_task;
    task_start(&main_task, body, arg, make_executor(carriers));
    task_join(&main_task);
}

/* `std.concurrent.sleep`, as the Drift standard library calls the runtime. */
static inline void std_sleep(i64 ms) {
    if (drift_thread_current() != 0) {
        drift_reactor_register_timer(drift_time_now_ms() + ms, drift_thread_current());
    }
    drift_thread_park_until(ms);
}

/* `std.concurrent.block_on_io`, likewise: it does not loop, and off a virtual thread does
 * nothing. */
static inline void std_block_on_io(i64 fd, i64 interest, i64 timeout_ms) {
    i64 self = drift_thread_current();
    if (self == 0) {
        return;
    }
    drift_reactor_register_io(fd, interest, self, timeout_ms);
    if (timeout_ms > 0) {
        drift_thread_park_until(timeout_ms);
    } else {
        drift_thread_park(0);
    }
}

/* A length of time that must not come out short. */
typedef struct span {
    i64 us;
    i64 ms;
} span;

static inline span span_start(void) {
    span start;
    start.us = now_us();
    start.ms = drift_time_now_ms();
    return start;
}

/* CHECK of both clocks. Rounding down at both ends makes no full length short. */
#define NOT_SHORT(start, expected_ms) not_short(start, expected_ms, __FILE__, __LINE__)
static inline void not_short(span start, i64 expected_ms, const char *file, int line) {
    i64 ms = drift_time_now_ms() - start.ms;
    i64 us = now_us() - start.us;
    if (us < expected_ms * 1000 || ms < expected_ms) {
        wrong(file, line, "early: %lld us and %lld ms of %lld ms", (long long)us, (long long)ms,
              (long long)expected_ms);
    }
}

#endif
