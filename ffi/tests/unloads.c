/* dlclose(3) of libdrift_rt.so while its carriers live: they go on, and so does what is opened
 * anew. A program that links the runtime cannot show it, so this one finds every function by name.
 *
 * DRIFT_RT_SO is the library, beside the archive.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drift.h>

enum { ROUNDS = 6, VTS = 8 };

/* Of the executor of each round, in turn. */
static const int64_t carriers[] = {1, 2, 4};

static void *library;
static int ended;

static int64_t (*spawn)(DriftIface *, int64_t);
static int64_t (*submit)(int64_t, int64_t);
static int64_t (*executor_create)(int64_t, int64_t, int64_t, int64_t, int64_t);
static void (*register_timer)(int64_t, int64_t);
static int64_t (*current)(void);
static void (*park)(int64_t);
static void (*join)(int64_t);

static void find(void *function, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "no %s: %s\n", name, dlerror());
        exit(1);
    }
    memcpy(function, &found, sizeof found);
}

static void open_it(void) {
    library = dlopen(DRIFT_RT_SO, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    find(&spawn, "drift_thread_spawn");
    find(&submit, "drift_exec_submit");
    find(&executor_create, "drift_exec_create");
    find(&register_timer, "drift_reactor_register_timer");
    find(&current, "drift_thread_current");
    find(&park, "drift_thread_park");
    find(&join, "drift_thread_join");
}

/* A timer wakes its carrier, which has slept in the library's code, after that was closed. */
static void call(void *object) {
    (void)object;
    register_timer(20, current());
    park(0);
    __atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
}

static void drop(void *object) {
    (void)object;
}

static void run_some(int64_t *vts, int64_t executor) {
    static const drift_vtable table = {drop, call};
    static int nothing;
    for (int i = 0; i < VTS; i++) {
        DriftIface closure = {&nothing, &table, {0, 0, 0, 0}, 0};
        vts[i] = spawn(&closure, 0);
        if (vts[i] == 0 || submit(executor, vts[i]) != 0) {
            fprintf(stderr, "refused\n");
            exit(1);
        }
    }
}

int main(void) {
    int64_t vts[VTS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t n = carriers[(size_t)round % (sizeof carriers / sizeof carriers[0])];
        open_it();
        run_some(vts, executor_create(n, n, 0, 0, 1));
        dlclose(library);
        usleep(60000);
    }
    open_it();
    for (int i = 0; i < VTS; i++) {
        join(vts[i]);
    }
    if (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) != ROUNDS * VTS) {
        fprintf(stderr, "%d have ended\n", ended);
        return 1;
    }
    return 0;
}
