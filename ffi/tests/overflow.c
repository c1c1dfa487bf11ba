/* Faults on a virtual thread: a stack overflow says so in one line and dies of SIGSEGV; every other
 * fault keeps its usual end.
 *
 * A case runs itself again as a child, with the word `die` and a number of carriers behind its
 * name, and looks at how that ends and what it wrote; once for each number.
 */
#include "harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Never reached; volatile, so that the compiler cannot tell. */
static volatile i64 deepest = INT64_MAX;

__attribute__((noinline)) static i64 recurse(i64 level) {
    volatile char frame[512];
    frame[0] = (char)level;
    return level == deepest ? 0 : recurse(level + 1) + frame[0];
}

/* A frame of so many bytes, of which the lowest are written first: it is compiled with
 * -fno-stack-clash-protection (tests/tests/abi/compile.rs), so it touches nothing in between. */
#define LARGE_FRAME(name, bytes)                                                                 \
    __attribute__((noinline)) static i64 name(i64 level) {                                       \
        volatile char frame[bytes];                                                              \
        frame[0] = (char)level;                                                                  \
        return level == deepest ? 0 : name(level + 1) + frame[0];                                \
    }
LARGE_FRAME(recurse_by_16_kib, 16 << 10)
LARGE_FRAME(recurse_by_60_kib, 60 << 10)

/* The address goes through a volatile, so that the compiler does not see it. */
static int *volatile nowhere;

static void body_overflows(task *self) {
    self->result = recurse(1);
}

static void body_overflows_by_16_kib(task *self) {
    self->result = recurse_by_16_kib(1);
}

static void body_overflows_by_60_kib(task *self) {
    self->result = recurse_by_60_kib(1);
}

static void body_stores_wildly(task *self) {
    *nowhere = (int)self->arg;
}

static void users_handler(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    (void)context;
    _exit(42);
}

static void install_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = users_handler;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    EQUAL(sigaction(SIGSEGV, &action, NULL), 0);
}

/* In the child: tells the handle through here, descriptor 3. */
enum { TOLD = 3 };

/* In the child: how many carriers run what dies. */
static i64 carriers_of_child(void) {
    return param(1, 0);
}

/* In the child: `body` is not expected to come back. */
static void die_in(void (*body)(task *)) {
    struct rlimit none = {0, 0};
    task one;
    setrlimit(RLIMIT_CORE, &none);
    task_spawn(&one, body, 0);
    EQUAL(write(TOLD, &one.vt, sizeof one.vt), (i64)sizeof one.vt);
    EQUAL(drift_exec_submit(make_executor(carriers_of_child()), one.vt), 0);
    task_join(&one);
}

static int is_child(void) {
    return case_argc == 2 && strcmp(case_argv[0], "die") == 0;
}

typedef struct end {
    const char *carriers;
    int status;
    i64 vt;
    char said[4096];
} end;

static end run_again(const char *carriers) {
    end result;
    int ends[2];
    int told[2];
    size_t length = 0;
    ssize_t n;
    memset(&result, 0, sizeof result);
    result.carriers = carriers;
    EQUAL(pipe(ends), 0);
    EQUAL(pipe(told), 0);
    pid_t child = fork();
    CHECK(child >= 0, "no child");
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        dup2(told[1], TOLD);
        execl("/proc/self/exe", "overflow", case_name, "die", carriers, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    while (length < sizeof result.said - 1 &&
           (n = read(ends[0], result.said + length, sizeof result.said - 1 - length)) > 0) {
        length += (size_t)n;
    }
    close(told[1]);
    EQUAL(read(told[0], &result.vt, sizeof result.vt), (i64)sizeof result.vt);
    EQUAL(waitpid(child, &result.status, 0), child);
    return result;
}

/* Looks at the end of a child on each number of carriers. */
static void on_each(void (*look)(const end *)) {
    static const char *const numbers[] = {"1", "2", "4"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        end result = run_again(numbers[i]);
        look(&result);
    }
}

static void ends_by_sigsegv(const end *result) {
    CHECK(WIFSIGNALED(result->status) && WTERMSIG(result->status) == SIGSEGV,
          "on %s carriers: ended with status %#x, said '%s'", result->carriers, result->status,
          result->said);
}

static void says_nothing(const end *result) {
    CHECK(result->said[0] == 0, "on %s carriers: said '%s'", result->carriers, result->said);
}

static void ends_by_sigsegv_and_says_nothing(const end *result) {
    ends_by_sigsegv(result);
    says_nothing(result);
}

static void ends_in_the_handler(const end *result) {
    CHECK(WIFEXITED(result->status) && WEXITSTATUS(result->status) == 42,
          "on %s carriers: ended with status %#x, said '%s'", result->carriers, result->status,
          result->said);
    says_nothing(result);
}

/* Locks what lies above its own stack, where the next ones are: as mlockall(2) would, but so little
 * that it needs no privilege. */
static void body_locks_and_starts(task *self) {
    EQUAL(mlock2(__builtin_frame_address(0), 4 << 20, MLOCK_ONFAULT), 0);
    die_in(body_overflows);
    self->result = 1;
}

/* One line, which says what happened and to which virtual thread. */
static void says_which(const end *result) {
    char name[64];
    ends_by_sigsegv(result);
    const char *newline = strchr(result->said, '\n');
    CHECK(newline != NULL && newline[1] == 0, "on %s carriers: not one line: '%s'",
          result->carriers, result->said);
    snprintf(name, sizeof name, "virtual thread %#llx ", (unsigned long long)result->vt);
    CHECK(strstr(result->said, name) != NULL && strstr(result->said, "overflow") != NULL &&
              strstr(result->said, "stack") != NULL,
          "on %s carriers: does not name %s: '%s'", result->carriers, name, result->said);
}

static void overflow(void) {
    if (is_child()) {
        die_in(body_overflows);
        return;
    }
    on_each(says_which);
}

static void overflow_in_locked_memory(void) {
    if (is_child()) {
        run_on_executor(body_locks_and_starts, 0, 1);
        return;
    }
    on_each(says_which);
}

/* The frame does not step over the guard, into the stack below. */
static void overflow_by_16_kib(void) {
    if (is_child()) {
        die_in(body_overflows_by_16_kib);
        return;
    }
    on_each(says_which);
}

static void overflow_by_60_kib(void) {
    if (is_child()) {
        die_in(body_overflows_by_60_kib);
        return;
    }
    on_each(says_which);
}

/* A null store is no overflow: nothing is said. */
static void wild(void) {
    if (is_child()) {
        die_in(body_stores_wildly);
        return;
    }
    on_each(ends_by_sigsegv_and_says_nothing);
}

/* The same on a plain OS thread of a process that has a runtime. */
static void body_nothing(task *self) {
    self->result = 1;
}

static void wild_off_virtual_threads(void) {
    if (is_child()) {
        die_in(body_nothing);
        *nowhere = 1;
        return;
    }
    on_each(ends_by_sigsegv_and_says_nothing);
}

/* Whoever handled the signal before the runtime came still does. */
static void wild_with_a_handler(void) {
    if (is_child()) {
        install_handler();
        die_in(body_stores_wildly);
        return;
    }
    on_each(ends_in_the_handler);
}

static const test_case cases[] = {
    {"overflow", overflow},
    {"overflow_by_16_kib", overflow_by_16_kib},
    {"overflow_by_60_kib", overflow_by_60_kib},
    {"overflow_in_locked_memory", overflow_in_locked_memory},
    {"wild", wild},
    {"wild_off_virtual_threads", wild_off_virtual_threads},
    {"wild_with_a_handler", wild_with_a_handler},
};

CASES_MAIN(cases)
