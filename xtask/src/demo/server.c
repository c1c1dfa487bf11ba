/* server <carriers> <others>: what `cargo xtask demo` runs.
 *
 * An echo server with a virtual thread per connection, as in examples/c/echo.c, in one process
 * with `others` further virtual threads: half of them sleep again and again, the other half stand
 * in rings, parked, and hand a turn on. Standard output is one JSON object per line:
 *
 *     {"ready":true,"port":..., ...}                 once all of them have started
 *     {"alive":...,"sleeps":...,"handoffs":...}      each second
 *     {"phase":"NAME", ...}                          for each line NAME on standard input
 *     {"finished":true,"lost":...,"uneven":..., ...} after standard input has ended
 *
 * Nothing may be lost: every virtual thread is joined, no sleeper is early, and each ring has
 * handed its turn to every member as often as to the others. */
#define _GNU_SOURCE 1
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "lateness.h"
#include "net.h"

enum {
    RING = 100,
    RING_PACE_MS = 1000,
    NAP_MS = 250,
    NAP_SPREAD_MS = 1250,
    START_LIMIT_MS = 30000,
    FINISH_LIMIT_MS = 10000,
    PHASES = 8
};

struct sleeper {
    int64_t vt;
    uint64_t random;
};

struct ring {
    int64_t turn; /* the member whose turn it is; atomic, and orders the two below */
    int ending;
    struct member *members;
};

struct member {
    int64_t vt;
    int64_t index;
    int64_t turns;
    struct ring *ring;
};

struct acceptor {
    int listener;
    int64_t vt;
    int64_t *connections;
    size_t count, room;
    int64_t refused;
};

static struct sleeper *sleepers;
static struct ring *rings;
static struct member *members;
static long sleeper_count, ring_count;
static struct acceptor acceptor;
static int64_t alive, sleeps, handoffs;
static int stopping;
static struct lateness phases[PHASES];
static int phase;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int is_stopping(void)
{
    return __atomic_load_n(&stopping, __ATOMIC_ACQUIRE);
}

static void count_one(int64_t *counter, int64_t by)
{
    __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* Sleepers and rings */

/* Sleeps as Drift's std.concurrent.sleep does: a timer at a point in time, and a park for as long.
 * Either ends it, and neither may shorten the next. Nobody unparks a sleeper, so no loop is needed
 * here, and whatever else ends the park shows as a sleeper that is early. */
static void sleep_on(void *argument)
{
    struct sleeper *self = (struct sleeper *)argument;
    count_one(&alive, 1);
    while (!is_stopping()) {
        self->random = self->random * 6364136223846793005u + 1442695040888963407u;
        const int64_t length_ms = NAP_MS + (int64_t)(self->random >> 33) % NAP_SPREAD_MS;
        const int64_t due = now_ns() + length_ms * 1000000;
        drift_reactor_register_timer(drift_time_now_ms() + length_ms, drift_thread_current());
        drift_thread_park_until(length_ms);
        lateness_record(&phases[__atomic_load_n(&phase, __ATOMIC_RELAXED)], now_ns() - due);
        count_one(&sleeps, 1);
    }
    count_one(&alive, -1);
}

/* Member 0 sets the pace, and ends the ring with a last round. */
static void hand_on(void *argument)
{
    struct member *self = (struct member *)argument;
    struct ring *ring = self->ring;
    struct member *next = &ring->members[(self->index + 1) % RING];
    int ending = 0;
    count_one(&alive, 1);
    while (!ending) {
        while (__atomic_load_n(&ring->turn, __ATOMIC_ACQUIRE) != self->index)
            drift_thread_park(0);
        if (self->index == 0) {
            vt_sleep(RING_PACE_MS);
            ring->ending = is_stopping();
        }
        self->turns++;
        ending = ring->ending;
        count_one(&handoffs, 1);
        __atomic_store_n(&ring->turn, next->index, __ATOMIC_RELEASE);
        drift_thread_unpark(next->vt); /* after the last round it is gone: that does nothing */
    }
    count_one(&alive, -1);
}

/* Connections */

static void serve(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    char bytes[512];
    count_one(&alive, 1);
    for (;;) {
        const ssize_t got = net_receive(fd, bytes, sizeof bytes);
        if (got <= 0 || net_send_all(fd, bytes, (size_t)got) != 0)
            break;
        /* A short read emptied the socket (epoll(7)): no use in asking it again at once. */
        if ((size_t)got < sizeof bytes)
            vt_wait_fd(fd, DRIFT_INTEREST_READ);
    }
    close(fd);
    count_one(&alive, -1);
}

static int start_connection(struct acceptor *self, int fd)
{
    if (self->count == self->room) {
        const size_t room = self->room == 0 ? 1024 : self->room * 2;
        int64_t *more = (int64_t *)realloc(self->connections, room * sizeof *more);
        if (more == NULL)
            return 0;
        self->connections = more;
        self->room = room;
    }
    const int64_t vt = vt_spawn(serve, (void *)(intptr_t)fd);
    if (vt != 0)
        self->connections[self->count++] = vt;
    return vt != 0;
}

static void accept_all(void *argument)
{
    struct acceptor *self = (struct acceptor *)argument;
    count_one(&alive, 1);
    while (!is_stopping()) {
        const int fd = net_try_accept(self->listener);
        if (fd == -EAGAIN) {
            vt_wait_fd(self->listener, DRIFT_INTEREST_READ); /* or until the end unparks us */
        } else if (fd >= 0 ? !start_connection(self, fd) : !net_accept_again(fd)) {
            self->refused++;
            if (fd >= 0)
                close(fd);
            else
                vt_sleep(1); /* out of files, for now */
        }
    }
    count_one(&alive, -1);
}

/* Reports */

/* Kibibytes of a line of /proc/self/status (proc_pid_status(5)); 0 where there is none. */
static long status_kib(const char *name)
{
    char line[256];
    long kib = 0;
    const size_t length = strlen(name);
    FILE *status = fopen("/proc/self/status", "re");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            kib = atol(line + length + 1);
    fclose(status);
    return kib;
}

static void report_progress(void)
{
    printf("{\"alive\":%lld,\"sleeps\":%lld,\"handoffs\":%lld}\n",
           (long long)__atomic_load_n(&alive, __ATOMIC_RELAXED),
           (long long)__atomic_load_n(&sleeps, __ATOMIC_RELAXED),
           (long long)__atomic_load_n(&handoffs, __ATOMIC_RELAXED));
}

/* Ends the phase that runs and names it; its sleepers are those that woke since the last. */
static void report_phase(const char *name)
{
    const int ended = phase;
    const struct lateness *all = &phases[ended];
    if (ended + 1 < PHASES)
        __atomic_store_n(&phase, ended + 1, __ATOMIC_RELAXED);
    printf("{\"phase\":\"%s\",\"woken\":%llu,\"early\":%llu,\"late_p50_us\":%.1f,"
           "\"late_p99_us\":%.1f,\"late_max_us\":%.1f}\n",
           name, (unsigned long long)lateness_count(all), (unsigned long long)all->early,
           lateness_at(all, 0.5), lateness_at(all, 0.99), (double)all->worst_ns / 1e3);
}

/* From start to end */

static int64_t must_have(int64_t vt)
{
    if (vt == 0) {
        fprintf(stderr, "server: no room for one more virtual thread\n");
        exit(1);
    }
    return vt;
}

static void *must_allocate(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) {
        fprintf(stderr, "server: out of memory\n");
        exit(1);
    }
    return memory;
}

static void start_others(void)
{
    for (long i = 0; i < sleeper_count; i++)
        sleepers[i].vt = must_have(vt_spawn(sleep_on, &sleepers[i]));
    /* A member unparks the next one by its handle: all handles first, then all starts. */
    for (long i = 0; i < ring_count * RING; i++)
        members[i].vt = must_have(vt_new(hand_on, &members[i]));
    const int64_t executor = drift_exec_default_get();
    for (long i = 0; i < ring_count * RING; i++)
        if (drift_exec_submit(executor, members[i].vt) != 0)
            must_have(0);
}

/* Fills in what the others are given, so that their memory is not counted as theirs. */
static void prepare(long others)
{
    ring_count = others / 2 / RING;
    sleeper_count = others - ring_count * RING;
    sleepers = (struct sleeper *)must_allocate((size_t)sleeper_count, sizeof *sleepers);
    rings = (struct ring *)must_allocate((size_t)ring_count, sizeof *rings);
    members = (struct member *)must_allocate((size_t)ring_count * RING, sizeof *members);
    for (long i = 0; i < sleeper_count; i++)
        sleepers[i].random = (uint64_t)i * 0x9E3779B97F4A7C15u;
    for (long i = 0; i < ring_count * RING; i++) {
        members[i].index = i % RING;
        members[i].ring = &rings[i / RING];
        rings[i / RING].members = &members[i - i % RING];
    }
}

static int start(long carriers, long others)
{
    int port = 0;
    prepare(others);
    const int64_t executor =
        drift_exec_create(carriers, carriers, 0, 0, DRIFT_SATURATION_BUSY);
    acceptor.listener = net_listen(&port);
    if (executor == 0 || acceptor.listener < 0) {
        fprintf(stderr, "server: %s: %s\n", executor == 0 ? "no executor" : "listen",
                strerror(errno));
        return 0;
    }
    drift_exec_default_set(executor);
    acceptor.vt = must_have(vt_spawn(accept_all, &acceptor));

    const long rss = status_kib("VmRSS"), tables = status_kib("VmPTE");
    const int64_t begin = now_ns();
    start_others();
    while (__atomic_load_n(&alive, __ATOMIC_ACQUIRE) < others + 1) {
        if (now_ns() - begin > (int64_t)START_LIMIT_MS * 1000000) {
            fprintf(stderr, "server: only %lld of %ld virtual threads started\n",
                    (long long)alive, others + 1);
            return 0;
        }
        drift_thread_park_until(1); /* main is no virtual thread: this is a plain sleep */
    }
    const double spent_ms = (double)(now_ns() - begin) / 1e6, each = others > 0 ? others : 1;
    printf("{\"ready\":true,\"port\":%d,\"others\":%ld,\"sleepers\":%ld,\"rings\":%ld,"
           "\"start_ms\":%.1f,\"rss_per_vt\":%.0f,\"tables_per_vt\":%.0f}\n",
           port, others, sleeper_count, ring_count, spent_ms,
           (double)(status_kib("VmRSS") - rss) * 1024 / each,
           (double)(status_kib("VmPTE") - tables) * 1024 / each);
    return 1;
}

/* Until standard input ends: a line names the phase that it ends. */
static void watch(void)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    int64_t next = now_ns();
    char line[64];
    setvbuf(stdin, NULL, _IONBF, 0); /* poll(2) cannot see what stdio has read already */
    for (;;) {
        const int64_t left_ms = (next - now_ns() + 999999) / 1000000;
        if (left_ms <= 0) {
            report_progress();
            next += 1000000000;
        } else if (poll(&input, 1, (int)left_ms) > 0) {
            if (fgets(line, sizeof line, stdin) == NULL)
                return;
            line[strcspn(line, "\r\n\"\\")] = '\0';
            report_phase(line);
        }
    }
}

/* Joins `vt`; 1 if it did not end in time. */
static long join_by(int64_t vt, int64_t end_ns)
{
    const int64_t left_ms = (end_ns - now_ns()) / 1000000;
    if (left_ms <= 0 && !drift_thread_is_completed(vt))
        return 1;
    return drift_thread_join_timeout(vt, left_ms > 0 ? left_ms : 1) != 0;
}

static int finish(void)
{
    const int64_t end = now_ns() + (int64_t)FINISH_LIMIT_MS * 1000000;
    long lost = 0, uneven = 0, joined = 1 + ring_count * RING + sleeper_count;
    uint64_t early = 0;
    __atomic_store_n(&stopping, 1, __ATOMIC_RELEASE);
    drift_thread_unpark(acceptor.vt); /* it may be parked for a connection that never comes */
    const long accepting = join_by(acceptor.vt, end);
    lost += accepting;
    if (!accepting) { /* only then is its list at rest */
        joined += (long)acceptor.count;
        for (size_t i = 0; i < acceptor.count; i++)
            lost += join_by(acceptor.connections[i], end);
    }
    for (long i = 0; i < sleeper_count; i++)
        lost += join_by(sleepers[i].vt, end);
    for (long i = 0; i < ring_count * RING; i++) {
        lost += join_by(members[i].vt, end);
        uneven += members[i].turns != members[i - i % RING].turns;
    }
    for (int i = 0; i < PHASES; i++)
        early += phases[i].early;
    printf("{\"finished\":true,\"joined\":%ld,\"lost\":%ld,\"uneven\":%ld,\"early\":%llu,"
           "\"refused\":%lld,\"connections\":%zu}\n",
           joined - lost, lost, uneven, (unsigned long long)early, (long long)acceptor.refused,
           acceptor.count);
    return lost == 0 && uneven == 0 && early == 0;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    const long carriers = argc > 1 ? atol(argv[1]) : 1, others = argc > 2 ? atol(argv[2]) : 0;
    if (carriers < 1 || others < 0) {
        fprintf(stderr, "usage: server <carriers> <others>\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* each connection is an open file */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!start(carriers, others))
        return 1;
    watch();
    return finish() ? 0 : 1;
}
