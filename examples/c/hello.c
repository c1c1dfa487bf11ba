/* hello: one virtual thread, from nothing but drift.h.
 *
 * What a compiler makes of `spawn(|| print("hello, ", name))`: an environment with what the
 * closure captured, a table of two functions, and the value that names both. */
#include <stdio.h>
#include <stdlib.h>

#include "drift.h"

struct environment {
    const char *name;
};

/* Runs on the virtual thread's own stack, and may block, call and print as it likes. */
static void call(void *object)
{
    const struct environment *captured = (const struct environment *)object;
    printf("hello, %s, from virtual thread %lld\n", captured->name,
           (long long)drift_thread_current());
}

/* Runs exactly once, after `call`, or instead of it if the virtual thread never starts. */
static void drop(void *object)
{
    free(object);
}

int main(int argc, char **argv)
{
    static const drift_vtable table = {drop, call};
    struct environment *captured = (struct environment *)malloc(sizeof *captured);
    if (captured == NULL)
        return 1;
    captured->name = argc > 1 ? argv[1] : "world";

    DriftIface closure = {captured, &table, {0, 0, 0, 0}, 0};
    const int64_t vt = drift_thread_spawn(&closure, 0);
    if (vt == 0) {
        free(captured); /* not taken: still ours */
        fprintf(stderr, "hello: no memory for a virtual thread\n");
        return 1;
    }
    /* The environment belongs to the virtual thread now, which does not run yet. */
    if (drift_exec_submit(drift_exec_default_get(), vt) != 0) {
        drift_thread_drop(vt); /* refused: still ours; this drops the environment with it */
        fprintf(stderr, "hello: the executor refused\n");
        return 1;
    }
    drift_thread_join(vt); /* `call` and `drop` have returned, and the handle is used up */
    return 0;
}
