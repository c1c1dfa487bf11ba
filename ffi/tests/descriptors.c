/* Readiness of every sort of descriptor: each event wakes whom it should, nobody else, and nothing
 * sleeps for ever.
 *
 * | case              | arguments                                                          |
 * |-------------------|--------------------------------------------------------------------|
 * | closed_and_reused | rounds (300)                                                       |
 * | churn             | virtual threads (8), rounds of each (200), carriers (2)            |
 * | many_waiters      | waiters (50)                                                       |
 * | the rest          | none                                                               |
 */
#include "harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READ = DRIFT_INTEREST_READ, WRITE = DRIFT_INTEREST_WRITE };

static i64 armed;
static i64 woken;

/* Registers, says so, parks. No deadline: a wake that does not come is a hang. */
static void wait_io(i64 fd, i64 interest) {
    drift_reactor_register_io(fd, interest, drift_thread_current(), 0);
    add(&armed, 1);
    drift_thread_park(0);
    add(&woken, 1);
}

static void body_read(task *self) {
    wait_io(self->arg, READ);
    self->result = 1;
}

static void body_write(task *self) {
    wait_io(self->arg, WRITE);
    self->result = 1;
}

static void make_pair(int pair[2]) {
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

/* Until `write` would block; returns how much that took. */
static i64 fill(int fd) {
    static char bytes[4096];
    i64 total = 0;
    ssize_t n;
    while ((n = write(fd, bytes, sizeof bytes)) > 0) {
        total += n;
    }
    return total;
}

static void drain(int fd) {
    static char bytes[4096];
    while (read(fd, bytes, sizeof bytes) > 0) {
    }
}

/* Still waiting after a while in which nothing happened to it. */
static void sleeps_on(const task *one) {
    EQUAL(drift_thread_join_timeout(one->vt, 10), 1);
    EQUAL(get(&one->result), 0);
}

/* A number is closed and used again, with and without somebody who waits on it. The one who waits
 * on what was closed is never told by the kernel, and is cancelled here. */
static void closed_and_reused(void) {
    i64 exec = make_executor(1);
    int held[2];
    make_pair(held);
    for (i64 round = 0; round < param(0, 300); round++) {
        task old;
        task fresh;
        int pair[2];
        int again[2];
        make_pair(pair);
        i64 before = get(&armed);
        task_start(&old, body_read, pair[0], exec);
        wait_for(&armed, before + 1);
        close(pair[0]);
        close(pair[1]);
        make_pair(again);
        EQUAL(again[0], pair[0]);
        task_start(&fresh, body_read, again[0], exec);
        wait_for(&armed, before + 2);
        EQUAL(get(&fresh.result), 0);
        EQUAL(write(again[1], "x", 1), 1);
        task_join(&fresh);
        drift_thread_cancel(old.vt);
        task_join(&old);
        close(again[0]);
        close(again[1]);
    }
}

/* Each of many makes descriptors, waits on them with and without a deadline, and closes them. */
static void body_churn(task *self) {
    for (i64 round = 0; round < self->arg; round++) {
        int pair[2];
        make_pair(pair);
        drift_reactor_register_io(pair[0], WRITE, self->vt, 0);
        drift_thread_park(0);
        span start = span_start();
        std_block_on_io(pair[0], READ, 1);
        NOT_SHORT(start, 1);
        EQUAL(write(pair[1], "x", 1), 1);
        std_block_on_io(pair[0], READ, 60000);
        CHECK(now_us() - start.us < 50000000, "a readable descriptor does not wake");
        if (round % 2 == 0) {
            drift_reactor_register_io(pair[1], READ, self->vt, 1);
            drift_thread_park(0);
        }
        close(pair[0]);
        close(pair[1]);
    }
}

static void churn(void) {
    enum { MOST = 256 };
    static task tasks[MOST];
    i64 count = param(0, 8);
    i64 exec = make_executor(param(2, 2));
    CHECK(count <= MOST, "at most %d", MOST);
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_churn, param(1, 200), exec);
    }
    for (i64 i = 0; i < count; i++) {
        task_join(&tasks[i]);
    }
}

/* All who wait for one direction of one descriptor wake; those for the other sleep on. */
static void many_waiters(void) {
    enum { MOST = 1000 };
    static task readers[MOST];
    static task writers[MOST];
    i64 count = param(0, 50);
    int pair[2];
    i64 exec = make_executor(2);
    CHECK(count <= MOST, "at most %d", MOST);
    make_pair(pair);
    fill(pair[0]);
    for (i64 i = 0; i < count; i++) {
        task_start(&readers[i], body_read, pair[0], exec);
        task_start(&writers[i], body_write, pair[0], exec);
    }
    wait_for(&armed, 2 * count);
    sleeps_on(&readers[0]);
    sleeps_on(&writers[0]);
    EQUAL(write(pair[1], "x", 1), 1);
    for (i64 i = 0; i < count; i++) {
        task_join(&readers[i]);
    }
    sleeps_on(&writers[count - 1]);
    EQUAL(get(&woken), count);
    drain(pair[1]);
    for (i64 i = 0; i < count; i++) {
        task_join(&writers[i]);
    }
}

/* One wait for both. */
static void body_both(task *self) {
    wait_io(self->arg, READ | WRITE);
    self->result = 1;
}

static void both_directions_at_once(void) {
    int pair[2];
    task one;
    task another;
    i64 exec = make_executor(1);
    make_pair(pair);
    task_start(&one, body_both, pair[0], exec);
    task_join(&one);
    fill(pair[0]);
    task_start(&another, body_both, pair[0], exec);
    wait_for(&armed, 2);
    sleeps_on(&another);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&another);
}

static void regular_file(void) {
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    task one;
    task two;
    i64 exec = make_executor(1);
    CHECK(file >= 0, "no file");
    task_start(&one, body_read, file, exec);
    task_start(&two, body_write, file, exec);
    task_join(&one);
    task_join(&two);
}

/* Hang-up counts as ready in both directions, before the wait and during it. */
static void hang_up(void) {
    int pair[2];
    task reader;
    task writer;
    task late;
    i64 exec = make_executor(1);
    make_pair(pair);
    fill(pair[0]);
    task_start(&reader, body_read, pair[0], exec);
    task_start(&writer, body_write, pair[0], exec);
    wait_for(&armed, 2);
    sleeps_on(&reader);
    close(pair[1]);
    task_join(&reader);
    task_join(&writer);
    task_start(&late, body_read, pair[0], exec);
    task_join(&late);
    task_start(&late, body_write, pair[0], exec);
    task_join(&late);
}

/* The other end of a pipe is gone: an error and nothing else for the writer. */
static void broken_pipe(void) {
    int ends[2];
    task writer;
    i64 exec = make_executor(1);
    EQUAL(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    fill(ends[1]);
    task_start(&writer, body_write, ends[1], exec);
    wait_for(&armed, 1);
    sleeps_on(&writer);
    close(ends[0]);
    task_join(&writer);
}

static int listener(struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
              listen(fd, 8) == 0 && getsockname(fd, (struct sockaddr *)address, &length) == 0,
          "no listener");
    return fd;
}

/* A connection wakes who waits to accept; a reset wakes both directions. */
static void accept_and_reset(void) {
    struct sockaddr_in address;
    struct linger reset = {1, 0};
    task acceptor;
    task reader;
    task writer;
    i64 exec = make_executor(1);
    int server = listener(&address);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    task_start(&acceptor, body_read, server, exec);
    wait_for(&armed, 1);
    sleeps_on(&acceptor);
    EQUAL(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    task_join(&acceptor);
    int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(accepted >= 0, "nothing to accept");
    fill(accepted);
    task_start(&reader, body_read, accepted, exec);
    task_start(&writer, body_write, accepted, exec);
    wait_for(&armed, 3);
    sleeps_on(&reader);
    /* Closing with a linger of zero sends a reset: tcp(7), socket(7), SO_LINGER. */
    EQUAL(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(client);
    task_join(&reader);
    task_join(&writer);
}

/* A refused connect is an error on a descriptor that somebody waits to write. */
static void refused_connect(void) {
    struct sockaddr_in address;
    task writer;
    i64 exec = make_executor(1);
    close(listener(&address));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connect(client, (const struct sockaddr *)&address, sizeof address);
    task_start(&writer, body_write, client, exec);
    task_join(&writer);
}

/* Two numbers for one description: each has its own waiter, and closing one leaves the other. */
static void duplicate(void) {
    int pair[2];
    task first;
    task second;
    task third;
    i64 exec = make_executor(1);
    make_pair(pair);
    int copy = dup(pair[0]);
    task_start(&first, body_read, pair[0], exec);
    task_start(&second, body_read, copy, exec);
    wait_for(&armed, 2);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&first);
    task_join(&second);
    drain(copy);
    close(pair[0]);
    task_start(&third, body_read, copy, exec);
    wait_for(&armed, 3);
    sleeps_on(&third);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&third);
}

/* A number is closed while a copy keeps the description, and is then used for something else: what
 * happens to the old one must not wake who waits on the new one, whether the old one's waiter has
 * had its event or still waits. */
static void old_descriptor(int still_waits) {
    int old[2];
    int fresh[2];
    task first;
    task second;
    i64 exec = make_executor(1);
    make_pair(old);
    int copy = dup(old[0]);
    task_start(&first, body_read, old[0], exec);
    wait_for(&armed, 1);
    if (!still_waits) {
        EQUAL(write(old[1], "x", 1), 1);
        task_join(&first);
        drain(copy);
    }
    close(old[0]);
    make_pair(fresh);
    EQUAL(fresh[0], old[0]);
    task_start(&second, body_read, fresh[0], exec);
    wait_for(&armed, 2);
    EQUAL(write(old[1], "x", 1), 1);
    sleeps_on(&second);
    EQUAL(write(fresh[1], "x", 1), 1);
    task_join(&second);
    if (still_waits) {
        drift_thread_cancel(first.vt);
        task_join(&first);
    }
    close(copy);
}

static void event_of_an_old_descriptor(void) {
    old_descriptor(0);
}

static void event_of_an_old_descriptor_still_waited_for(void) {
    old_descriptor(1);
}

/* Registered by an OS thread for a virtual thread that is parked, and for one that has ended. */
static void body_parks(task *self) {
    add(&armed, 1);
    drift_thread_park(0);
    self->result = 1;
}

static void registered_by_another(void) {
    int pair[2];
    task one;
    make_pair(pair);
    task_start(&one, body_parks, 0, make_executor(1));
    wait_for(&armed, 1);
    sleeps_on(&one);
    drift_reactor_register_io(pair[0], READ, one.vt, 0);
    sleeps_on(&one);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&one);
    drift_reactor_register_io(pair[0], READ, one.vt, 0);
    drift_reactor_register_timer(-1, one.vt);
}

/* An epoll descriptor can be waited for like any other: epoll(7). */
static void nested_epoll(void) {
    int pair[2];
    struct epoll_event event;
    task one;
    int inner = epoll_create1(EPOLL_CLOEXEC);
    make_pair(pair);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    EQUAL(epoll_ctl(inner, EPOLL_CTL_ADD, pair[0], &event), 0);
    task_start(&one, body_read, inner, make_executor(1));
    wait_for(&armed, 1);
    sleeps_on(&one);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&one);
}

/* Each registers the one descriptor again within one wait: 2 s of CPU time are ample for what is
 * the same for each, and not for what grows with their number. */
static void body_registers_often(task *self) {
    i64 start = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 40000; i++) {
        drift_reactor_register_io(self->arg, READ, self->vt, 0);
    }
    i64 us = clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
    CHECK(us < 2000000, "%lld us of CPU time for 40000 registrations", (long long)us);
    add(&armed, 1);
    drift_thread_park(0);
    self->result = 1;
}

static void many_registrations_in_one_wait(void) {
    int pair[2];
    task one;
    make_pair(pair);
    task_start(&one, body_registers_often, pair[0], make_executor(1));
    wait_for(&armed, 1);
    sleeps_on(&one);
    EQUAL(write(pair[1], "x", 1), 1);
    task_join(&one);
}

static const test_case cases[] = {
    {"closed_and_reused", closed_and_reused},
    {"churn", churn},
    {"many_waiters", many_waiters},
    {"both_directions_at_once", both_directions_at_once},
    {"regular_file", regular_file},
    {"hang_up", hang_up},
    {"broken_pipe", broken_pipe},
    {"accept_and_reset", accept_and_reset},
    {"refused_connect", refused_connect},
    {"duplicate", duplicate},
    {"event_of_an_old_descriptor", event_of_an_old_descriptor},
    {"event_of_an_old_descriptor_still_waited_for", event_of_an_old_descriptor_still_waited_for},
    {"registered_by_another", registered_by_another},
    {"nested_epoll", nested_epoll},
    {"many_registrations_in_one_wait", many_registrations_in_one_wait},
};

CASES_MAIN(cases)
