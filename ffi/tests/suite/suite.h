/* The Drift standard library as the toolchain's suite sees it: `std.concurrent` over the ABI.
 *
 * A `thread` is what `spawn` returns. It remembers what the library remembers: the code of a
 * refused submit, a cancel request that was taken, and that it was joined; a joined handle is
 * never joined again, but may be cancelled again.
 */
#ifndef DRIFT_TESTS_SUITE_H
#define DRIFT_TESTS_SUITE_H

#include "../harness.h"

#include <dirent.h>

/* How a join or a spawn ends. */
enum { VALUE, CANCELLED, TIMED_OUT, BUSY, CLOSED, FAILED };

typedef struct thread {
    task work;
    i64 submit_code;
    int cancel_taken;
    int joined;
} thread;

/* A sum that a task has to bring back: tells a run from a result that was there before. */
#define RESULT 42

static inline void body_trivial(task *self) {
    self->result = RESULT + self->arg;
}

/* `park_until` with `arg`, a duration, as tests in tasks call it. */
static inline void body_park(task *self) {
    drift_thread_park_until(self->arg);
    self->result = RESULT;
}

/* The same with a point in time. */
static inline void body_park_absolute(task *self) {
    drift_thread_park_until(drift_time_now_ms() + self->arg);
    self->result = RESULT;
}

/* `spawn_on`: the refused one is dropped. */
static inline int std_spawn_on(thread *self, void (*body)(task *), i64 arg, i64 exec) {
    memset(self, 0, sizeof *self);
    task_spawn(&self->work, body, arg);
    self->submit_code = drift_exec_submit(exec, self->work.vt);
    switch (self->submit_code) {
    case 0:
        return VALUE;
    case 1:
        drift_thread_drop(self->work.vt);
        return BUSY;
    case 2:
        drift_thread_drop(self->work.vt);
        return TIMED_OUT;
    default:
        drift_thread_drop(self->work.vt);
        return FAILED;
    }
}

/* `spawn`, on the default executor: gives a handle even when it is refused. */
static inline void std_spawn(thread *self, void (*body)(task *), i64 arg) {
    i64 exec = drift_exec_default_get();
    if (exec == 0) {
        exec = drift_exec_create(1, 1, 0, 0, DRIFT_SATURATION_BUSY);
        drift_exec_default_set(exec);
    }
    CHECK(exec > 0, "no default executor");
    std_spawn_on(self, body, arg, exec);
}

/* After the runtime gave the handle up. */
static inline int std_outcome(thread *self) {
    self->joined = 1;
    EQUAL(get(&self->work.drops), 1);
    if (self->cancel_taken) {
        CHECK(get(&self->work.calls) <= 1, "ran more than once");
        return CANCELLED;
    }
    EQUAL(get(&self->work.calls), 1);
    return VALUE;
}

static inline int std_join(thread *self) {
    if (self->joined) {
        return CLOSED;
    }
    if (self->submit_code != 0) {
        self->joined = 1;
        return FAILED;
    }
    drift_thread_join(self->work.vt);
    return std_outcome(self);
}

/* Zero never reaches the runtime's timed join: the library asks whether it has completed. */
static inline int std_join_timeout(thread *self, i64 timeout_ms) {
    if (self->joined) {
        return CLOSED;
    }
    if (self->submit_code != 0) {
        return FAILED;
    }
    if (timeout_ms <= 0) {
        if (self->cancel_taken) {
            return CANCELLED;
        }
        return drift_thread_is_completed(self->work.vt) == 1 ? std_join(self) : TIMED_OUT;
    }
    if (drift_thread_join_timeout(self->work.vt, timeout_ms) == 0) {
        return std_outcome(self);
    }
    return self->cancel_taken ? CANCELLED : TIMED_OUT;
}

/* `cancel`: as the runtime answered. */
static inline i64 std_cancel(thread *self) {
    i64 answer = drift_thread_cancel(self->work.vt);
    CHECK(answer == 0 || answer == 1, "cancel answered %lld", (long long)answer);
    if (answer == 0) {
        self->cancel_taken = 1;
    }
    return answer;
}

/* Joins, and the task's value has to be there. */
static inline void std_join_value(thread *self, i64 value) {
    EQUAL(std_join(self), VALUE);
    EQUAL(self->work.result, value);
}

/* How long the threads of this process have been ready but without a CPU: the second figure of
 * schedstat, see Documentation/scheduler/sched-stats.rst of the kernel. */
static inline i64 waited_for_cpu_us(void) {
    i64 total = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        char path[300];
        long long waited;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL && fscanf(file, "%*d %lld", &waited) == 1) {
            total += waited / 1000;
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return total;
}

/* Something took longer than `limit_ms`, and has come to its end since: late, if threads had to
 * wait for a CPU for half of that, which no runtime can help; else wrong. */
static inline void too_slow(i64 limit_ms) {
    i64 waited = waited_for_cpu_us();
    if (waited * 2 < limit_ms * 1000) {
        wrong(__FILE__, __LINE__, "not within %lld ms, and only %lld us without a CPU",
              (long long)limit_ms, (long long)waited);
    }
    late(__FILE__, __LINE__, "not within %lld ms, %lld us of them without a CPU",
         (long long)limit_ms, (long long)waited);
}

/* For what has to happen within some milliseconds. */
static inline void std_join_within(thread *self, i64 timeout_ms) {
    if (std_join_timeout(self, timeout_ms) == VALUE) {
        return;
    }
    EQUAL(std_join_timeout(self, PATIENCE_MS), VALUE);
    too_slow(timeout_ms);
}

#endif
