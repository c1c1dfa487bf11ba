/* A process with little of something: what cannot be had is an answer and one line of words, and
 * everything else goes on.
 *
 * Each case forks before there is a runtime; the child has the limit.
 */
#include "harness.h"

#include <sys/resource.h>
#include <sys/wait.h>

static void limit_to(int resource, rlim_t value) {
    struct rlimit limit = {value, value};
    EQUAL(setrlimit((__typeof__(RLIMIT_AS))resource, &limit), 0);
}

/* What `body` writes to standard error, in a child that must end well. */
static const char *said_by(void (*body)(void)) {
    static char said[4096];
    size_t length = 0;
    ssize_t n;
    int status;
    int ends[2];
    EQUAL(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0, "no child");
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    while (length < sizeof said - 1 &&
           (n = read(ends[0], said + length, sizeof said - 1 - length)) > 0) {
        length += (size_t)n;
    }
    said[length] = 0;
    close(ends[0]);
    EQUAL(waitpid(child, &status, 0), child);
    CHECK(status == 0, "ended with status %#x, said '%s'", status, said);
    return said;
}

/* One line of the runtime's, with all of these words. */
static void is_one_line(const char *said, const char *const *words) {
    const char *newline = strchr(said, '\n');
    CHECK(newline != NULL && newline[1] == 0, "not one line: '%s'", said);
    CHECK(strncmp(said, "drift: ", 7) == 0, "not the runtime's: '%s'", said);
    for (; *words != NULL; words++) {
        CHECK(strstr(said, *words) != NULL, "no '%s' in '%s'", *words, said);
    }
}

static void body_nothing(task *self) {
    self->result = 1;
}

static void spawns_without_descriptors(void) {
    task one;
    limit_to(RLIMIT_NOFILE, 3);
    for (int i = 0; i < 3; i++) {
        EQUAL(task_try_spawn(&one, body_nothing, 0), 0);
    }
}

static void without_descriptors(void) {
    static const char *const words[] = {"no descriptor", "Too many open files", "(error 24)",
                                        "ulimit -n", NULL};
    is_one_line(said_by(spawns_without_descriptors), words);
}

static const test_case cases[] = {
    {"without_descriptors", without_descriptors},
};

CASES_MAIN(cases)
