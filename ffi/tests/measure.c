/* measure <bench> [key=value ...]: what the runtime costs, seen from C.
 *
 *     cc -O2 -I ffi/include ffi/tests/measure.c target/archive/libdrift_rt.a -pthread
 *
 * | bench         | params                  | what happens                                     |
 * | switch        | n, workers              | two virtual threads yield n times each           |
 * | pingpong      | n, workers              | two wake each other and park, n times            |
 * | spawn_join    | mode, n, batch, workers | spawn and join, one by one (seq) or in batches   |
 * | skynet        | n, workers              | a tree, ten children each, down to n leaves      |
 * | parked_memory | n, workers              | n park; then all are woken and joined            |
 * | timers        | n, workers              | n sleep 0.5 to 3.0 s each, in whole milliseconds |
 * | idle_cost     | n, workers, secs        | n stay parked                                    |
 * | tcp_echo      | port, workers           | serves until standard input ends                 |
 *
 * `workers` is the number of carriers. Each workload starts in a virtual thread of its own. Prints
 * one JSON object per metric; `_cpu` is CPU time of the process, `_cold` the first of two passes.
 * Exit status 64: no such bench. */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../../examples/c/net.h"
#include "report.h"

enum { UNSUPPORTED = 64, CHILDREN = 10, SETTLE_MS = 200 };

/* Virtual threads that must be had */

static int64_t spawn(vt_function function, void *argument)
{
    const int64_t vt = vt_spawn(function, argument);
    if (vt == 0)
        fail("no room for one more virtual thread");
    return vt;
}

static int64_t *handles_for(long count)
{
    int64_t *handles = (int64_t *)malloc((size_t)(count + 1) * sizeof *handles);
    if (handles == NULL)
        fail("out of memory");
    return handles;
}

/* Runs `root` as a virtual thread; this OS thread waits for it. */
static struct spent on_root(vt_function root)
{
    const struct spent start = begin();
    drift_thread_join(spawn(root, NULL));
    return since(start);
}

static void use_carriers(void)
{
    const long workers = number("workers", 1);
    const int64_t executor = drift_exec_create(workers, workers, 0, 0, DRIFT_SATURATION_BUSY);
    if (executor == 0)
        fail("no executor");
    drift_exec_default_set(executor);
}

static void nothing(void *unused)
{
    (void)unused;
}

static long n;
static struct spent inside; /* what a root measured of itself */

/* switch */

static void yields(void *unused)
{
    (void)unused;
    for (long i = 0; i < n; i++)
        drift_thread_yield();
}

static void switch_root(void *unused)
{
    (void)unused;
    const struct spent start = begin();
    const int64_t one = spawn(yields, NULL), other = spawn(yields, NULL);
    drift_thread_join(one);
    drift_thread_join(other);
    inside = since(start);
}

static void run_switch(void)
{
    n = number("n", 1000000);
    on_root(switch_root);
    emit_spent("switch", inside, 2.0 * (double)n, "ns");
}

/* pingpong */

static int pinged; /* atomic: whose turn it is */
static int64_t pinger;

static void pass(int mine, int64_t to)
{
    __atomic_store_n(&pinged, !mine, __ATOMIC_RELEASE);
    drift_thread_unpark(to);
}

static void await(int mine)
{
    while (__atomic_load_n(&pinged, __ATOMIC_ACQUIRE) != mine)
        drift_thread_park(0);
}

static void ponger(void *unused)
{
    (void)unused;
    for (long i = 0; i < n; i++) {
        await(1);
        pass(1, pinger);
    }
}

static void pingpong_root(void *unused)
{
    (void)unused;
    pinger = drift_thread_current();
    const struct spent start = begin();
    const int64_t partner = spawn(ponger, NULL);
    for (long i = 0; i < n; i++) {
        pass(0, partner);
        await(0);
    }
    drift_thread_join(partner);
    inside = since(start);
}

static void run_pingpong(void)
{
    n = number("n", 300000);
    on_root(pingpong_root);
    emit_spent("round_trip", inside, (double)n, "ns");
}

/* spawn_join */

static long batch;
static int64_t *handles;

static void spawn_join_root(void *unused)
{
    (void)unused;
    const struct spent start = begin();
    for (long done = 0; done < n; done += batch) {
        for (long i = 0; i < batch; i++)
            handles[i] = spawn(nothing, NULL);
        for (long i = 0; i < batch; i++)
            drift_thread_join(handles[i]);
    }
    inside = since(start);
}

static void run_spawn_join(void)
{
    const int sequential = strcmp(text("mode", "seq"), "seq") == 0;
    n = number("n", sequential ? 200000 : 1000000);
    batch = sequential ? 1 : number("batch", n < 10000 ? n : 10000);
    if (batch < 1 || n % batch != 0)
        fail("n is no multiple of batch");
    handles = handles_for(batch);
    on_root(spawn_join_root);
    emit_spent("spawn_join_cold", inside, (double)n, "ns");
    on_root(spawn_join_root);
    emit_spent("spawn_join", inside, (double)n, "ns");
}

/* skynet */

struct node {
    int64_t vt;
    long first, leaves, sum;
};

static void grow(void *argument)
{
    struct node *self = (struct node *)argument;
    struct node children[CHILDREN];
    if (self->leaves == 1) {
        self->sum = self->first;
        return;
    }
    const long each = self->leaves / CHILDREN;
    for (int i = 0; i < CHILDREN; i++) {
        children[i].first = self->first + i * each;
        children[i].leaves = each;
        children[i].vt = spawn(grow, &children[i]);
    }
    self->sum = 0;
    for (int i = 0; i < CHILDREN; i++) {
        drift_thread_join(children[i].vt);
        self->sum += children[i].sum;
    }
}

static void run_skynet(void)
{
    static const char *const metrics[] = {"total_cold", "total"};
    n = number("n", 1000000);
    for (long leaves = n; leaves != 1; leaves /= CHILDREN)
        if (leaves < 1 || leaves % CHILDREN != 0)
            fail("n is no power of ten");
    for (int pass = 0; pass < 2; pass++) {
        struct node root = {0, 0, n, 0};
        const struct spent start = begin();
        drift_thread_join(spawn(grow, &root));
        const struct spent spent = since(start);
        if (root.sum != n * (n - 1) / 2)
            fail("a leaf is missing");
        emit_spent(metrics[pass], spent, 1e6, "ms");
    }
}

/* parked_memory and idle_cost */

static int is_open;
static long started;

static void wait_at_gate(void *unused)
{
    (void)unused;
    __atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&is_open, __ATOMIC_ACQUIRE))
        drift_thread_park(0);
}

static void park_root(void *unused)
{
    (void)unused;
    for (long i = 0; i < n; i++)
        handles[i] = spawn(wait_at_gate, NULL);
}

static void open_root(void *unused)
{
    (void)unused;
    __atomic_store_n(&is_open, 1, __ATOMIC_RELEASE);
    for (long i = 0; i < n; i++)
        drift_thread_unpark(handles[i]);
    for (long i = 0; i < n; i++)
        drift_thread_join(handles[i]);
}

static struct spent park_all(void)
{
    const struct spent start = begin();
    handles = handles_for(n);
    on_root(park_root);
    while (__atomic_load_n(&started, __ATOMIC_ACQUIRE) < n)
        pause_ms(1);
    return since(start);
}

static void run_parked_memory(void)
{
    n = number("n", 100000);
    on_root(nothing);
    const struct memory before = memory_now();
    const struct spent parking = park_all();
    pause_ms(SETTLE_MS); /* counted just before they park: the last ones need a moment */
    const struct memory after = memory_now();
    emit("rss_per_task", "", (after.rss - before.rss) / (double)n, "B");
    emit("pte_per_task", "", (after.page_tables - before.page_tables) / (double)n, "B");
    emit("maps_per_task", "", (after.maps - before.maps) / (double)n, "maps");
    emit_spent("spawn", parking, 1e6, "ms");
    emit_spent("finish", on_root(open_root), 1e6, "ms");
}

static void run_idle_cost(void)
{
    struct rusage from, to;
    n = number("n", 10000);
    const long seconds = number("secs", 5);
    park_all();
    pause_ms(SETTLE_MS);
    getrusage(RUSAGE_SELF, &from);
    const struct spent start = begin();
    pause_ms(seconds * 1000);
    const struct spent idle = since(start);
    getrusage(RUSAGE_SELF, &to);
    emit("cpu", "", idle.cpu_ns / ((double)seconds * 1e9) * 100, "%");
    /* One of the switches is our own pause. */
    emit("switches", "", (double)(to.ru_nvcsw - from.ru_nvcsw - 1) / (double)seconds, "1/s");
    on_root(open_root);
}

/* timers */

static double *late_ns;

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
static uint64_t splitmix64(uint64_t index)
{
    uint64_t z = (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void nap(void *argument)
{
    const intptr_t index = (intptr_t)argument;
    /* The ABI counts in milliseconds: the peers' length, rounded up, is what is asked for. */
    const int64_t us = 500000 + (int64_t)(splitmix64((uint64_t)index) % 2500000);
    const int64_t length_ms = (us + 999) / 1000;
    const double due = clock_ns(CLOCK_MONOTONIC) + (double)length_ms * 1e6;
    drift_thread_park_until(length_ms); /* nobody unparks it: one park is the whole sleep */
    late_ns[index] = clock_ns(CLOCK_MONOTONIC) - due;
}

static void timers_root(void *unused)
{
    (void)unused;
    for (long i = 0; i < n; i++)
        handles[i] = spawn(nap, (void *)(intptr_t)i);
    for (long i = 0; i < n; i++)
        drift_thread_join(handles[i]);
}

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void run_timers(void)
{
    static const struct {
        const char *name;
        double share;
    } shown[] = {{"late_min", 0}, {"late_p50", .5}, {"late_p99", .99}, {"late_p99.9", .999},
                 {"late_max", 1}};
    n = number("n", 100000);
    handles = handles_for(n);
    late_ns = (double *)malloc((size_t)(n + 1) * sizeof *late_ns);
    if (late_ns == NULL || n < 1)
        fail("no room for the results");
    on_root(nothing);
    const struct spent spent = on_root(timers_root);
    qsort(late_ns, (size_t)n, sizeof *late_ns, ascending);
    emit("cpu", "", spent.cpu_ns / 1e9, "s");
    emit("wall", "", spent.wall_ns / 1e9, "s");
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        emit(shown[i].name, "", late_ns[(long)((double)(n - 1) * shown[i].share)] / 1e3, "us");
    if (late_ns[0] < 0)
        fail("a sleeper woke early");
}

/* tcp_echo */

static void serve(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    char message[512];
    for (;;) {
        const ssize_t got = net_receive(fd, message, sizeof message);
        if (got <= 0 || net_send_all(fd, message, (size_t)got) != 0)
            break;
        /* A short read emptied the socket (epoll(7)): no use in asking it again at once. */
        if ((size_t)got < sizeof message)
            vt_wait_fd(fd, DRIFT_INTEREST_READ);
    }
    close(fd);
}

static void accept_all(void *argument)
{
    const int listener = (int)(intptr_t)argument;
    for (;;) {
        const int fd = net_try_accept(listener);
        if (fd >= 0)
            drift_thread_drop(spawn(serve, (void *)(intptr_t)fd)); /* it ends by itself */
        else if (fd == -EAGAIN)
            vt_wait_fd(listener, DRIFT_INTEREST_READ);
        else if (!net_accept_again(fd))
            fail(strerror(-fd));
    }
}

static void run_tcp_echo(void)
{
    int port = (int)number("port", 0);
    char line[64];
    const int listener = net_listen(&port);
    if (listener < 0)
        fail(strerror(errno));
    drift_thread_drop(spawn(accept_all, (void *)(intptr_t)listener));
    printf("{\"ready\":true,\"port\":%d}\n", port);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        continue;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } benches[] = {{"switch", run_switch},         {"pingpong", run_pingpong},
                   {"spawn_join", run_spawn_join}, {"skynet", run_skynet},
                   {"timers", run_timers},         {"parked_memory", run_parked_memory},
                   {"tcp_echo", run_tcp_echo},     {"idle_cost", run_idle_cost}};
    bench = argc > 1 ? argv[1] : "";
    arguments = argv + 2;
    argument_count = argc > 2 ? argc - 2 : 0;
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
        if (strcmp(benches[i].name, bench) == 0) {
            use_carriers();
            benches[i].run();
            return 0;
        }
    }
    fprintf(stderr, "usage: measure <bench> [key=value ...]; there is no bench '%s'\n", bench);
    return UNSUPPORTED;
}
