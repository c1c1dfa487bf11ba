/* Suite: spawning. */
#include "suite.h"

static thread threads[500];

static void body_prints(task *self) {
    self->result = write(STDERR_FILENO, "task\n", 5);
}

/* Raw `vt_spawn`, `exec_submit`, `vt_join`: the task's line on standard error, then `done` on
 * standard output. */
static void spawn_executes(void) {
    static task one;
    char line[16] = "";
    int ends[2];
    int saved = dup(STDERR_FILENO);
    CHECK(saved >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0, "no pipe");
    task_start(&one, body_prints, 0, drift_exec_default_get());
    task_join(&one);
    CHECK(dup2(saved, STDERR_FILENO) >= 0, "no standard error");
    CHECK(read(ends[0], line, sizeof line - 1) == 5 && strcmp(line, "task\n") == 0,
          "the task's line is '%s'", line);
    puts("done");
}

static void spawn_infers(void) {
    std_spawn(&threads[0], body_trivial, 1);
    std_join_value(&threads[0], RESULT + 1);
}

static void join_stub(void) {
    std_spawn(&threads[0], body_trivial, 2);
    std_join_value(&threads[0], RESULT + 2);
}

static void many_short_tasks_min_repro(void) {
    for (i64 i = 0; i < 2; i++) {
        std_spawn(&threads[i], body_trivial, i);
        std_join_value(&threads[i], RESULT + i);
    }
}

static void spawn_join_ordering(void) {
    for (i64 i = 0; i < 3; i++) {
        std_spawn(&threads[i], body_trivial, i);
    }
    for (i64 i = 2; i >= 0; i--) {
        std_join_value(&threads[i], RESULT + i);
    }
}

/* Stack and record are used again. */
static void spawn_future_capture_infers(void) {
    i64 sum = 0;
    for (i64 i = 1; i <= 3; i++) {
        std_spawn(&threads[0], body_trivial, i);
        std_join_value(&threads[0], RESULT + i);
        sum += threads[0].work.result - RESULT;
    }
    EQUAL(sum, 6);
}

static void many_short_tasks(void) {
    i64 sum = 0;
    for (i64 i = 0; i < 500; i++) {
        std_spawn(&threads[i], body_trivial, i + 1);
    }
    for (i64 i = 0; i < 500; i++) {
        std_join_value(&threads[i], RESULT + i + 1);
        sum += threads[i].work.result - RESULT;
    }
    EQUAL(sum, 125250);
}

static void body_current(task *self) {
    self->result = drift_thread_current();
}

static void vt_current_in_task(void) {
    EQUAL(drift_thread_current(), 0);
    std_spawn(&threads[0], body_current, 0);
    EQUAL(std_join(&threads[0]), VALUE);
    CHECK(threads[0].work.result != 0, "0 in a task");
    EQUAL(threads[0].work.result, threads[0].work.vt);
    EQUAL(drift_thread_current(), 0);
}

/* Compiles, links and ends. */
static void lang_thread_import_ok(void) {
}

/* Compiles, links and ends: the compiler rejects the lambda. */
static void spawn_throwing_lambda_rejected(void) {
}

static const test_case cases[] = {
    {"spawn_executes", spawn_executes},
    {"spawn_infers", spawn_infers},
    {"join_stub", join_stub},
    {"many_short_tasks_min_repro", many_short_tasks_min_repro},
    {"spawn_join_ordering", spawn_join_ordering},
    {"spawn_future_capture_infers", spawn_future_capture_infers},
    {"many_short_tasks", many_short_tasks},
    {"vt_current_in_task", vt_current_in_task},
    {"lang_thread_import_ok", lang_thread_import_ok},
    {"spawn_throwing_lambda_rejected", spawn_throwing_lambda_rejected},
};

CASES_MAIN(cases)
