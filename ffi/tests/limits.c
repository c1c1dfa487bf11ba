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

/* All that the process may map, itself and the C library included. */
enum { ROOM = 128 << 20, FEW = 8, MANY = 4000 };

static void body_sleeps(task *self) {
    std_sleep(10);
    self->result = 1;
}

static void body_waits_for_a_byte(task *self) {
    char byte = 0;
    std_block_on_io(self->arg, DRIFT_INTEREST_READ, 10000);
    EQUAL(read((int)self->arg, &byte, 1), 1);
    self->result = 1;
}

static void a_few_within_little(void) {
    task some[FEW];
    task reader;
    int ends[2];
    limit_to(RLIMIT_AS, ROOM);
    EQUAL(pipe(ends), 0);
    task_start(&reader, body_waits_for_a_byte, ends[0], 0);
    for (int i = 0; i < FEW; i++) {
        task_start(&some[i], body_sleeps, 0, i % 2 == 0 ? 0 : make_executor(2));
    }
    EQUAL(write(ends[1], "x", 1), 1);
    for (int i = 0; i < FEW; i++) {
        task_join(&some[i]);
    }
    task_join(&reader);
}

static void a_program_with_few_starts_within_128_mib(void) {
    const char *said = said_by(a_few_within_little);
    CHECK(said[0] == 0, "said '%s'", said);
}

/* Until there is no room for one more; all that there are end well, and then there is room for as
 * many again, as soon as their carrier has let go of the last. */
static void as_many_as_there_is_room_for(void) {
    static task all[MANY];
    i64 before = 0;
    limit_to(RLIMIT_AS, ROOM);
    for (int round = 0; round < 3; round++) {
        int count = 0;
        i64 start = now_us();
        for (;;) {
            if (task_try_spawn(&all[count], body_sleeps, 0) != 0) {
                EQUAL(drift_exec_submit(0, all[count].vt), 0);
                count++;
                CHECK(count < MANY, "there is no end");
            } else if (count >= before) {
                break;
            } else {
                CHECK(now_us() - start < (i64)STARVED_MS * 1000, "room for %lld, and now for %d",
                      (long long)before, count);
                os_sleep_ms(1);
            }
        }
        CHECK(count > FEW, "%d have room", count);
        before = before == 0 ? count : before;
        for (int i = 0; i < count; i++) {
            task_join(&all[i]);
        }
    }
}

static void what_is_refused_leaves_the_others_alone(void) {
    static const char *const words[] = {"no address space for stacks", "bytes", "(error 12)",
                                        "Cannot allocate memory", "ulimit -v", NULL};
    is_one_line(said_by(as_many_as_there_is_room_for), words);
}

static const test_case cases[] = {
    {"without_descriptors", without_descriptors},
    {"a_program_with_few_starts_within_128_mib", a_program_with_few_starts_within_128_mib},
    {"what_is_refused_leaves_the_others_alone", what_is_refused_leaves_the_others_alone},
};

CASES_MAIN(cases)
