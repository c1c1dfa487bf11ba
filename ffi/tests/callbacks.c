/* Callbacks of each kind: who is called with which object, how often, in what order.
 *
 * | kind   | object handed to `call` and `drop`             | then                          |
 * |--------|------------------------------------------------|-------------------------------|
 * | plain  | `data`                                         | nothing                       |
 * | inline | `inline_storage` in the runtime's own copy     | nothing                       |
 * | owned  | `data`                                         | `drift_iface_free(data)` once |
 *
 * A case is a kind and how it ends: run, cancelled while new or while ready, dropped while new;
 * each with and without a `drop`.
 */
#include "harness.h"

#include <stddef.h>

/* Of the callback at hand, counted from 1 in the order of the calls; 0: not called. */
static i64 called;
static i64 dropped;
static i64 freed;
static i64 count_of_calls;
static const void *call_object;
static const void *drop_object;
static const void *free_object;

static i64 go;
static i64 holding;
static const i64 contents[4] = {0x1122334455667788, -1, 0, INT64_MIN};
static i64 environment[4];
static i64 kind;

/* The toolchain's array runtime has it; the runtime under test finds it by its name. */
void drift_iface_free(void *data);
void drift_iface_free(void *data) {
    CHECK(get(&freed) == 0, "freed twice");
    free_object = data;
    set(&freed, add(&count_of_calls, 1) + 1);
}

static const drift_vtable *vtable_at_hand;

/* An inline object is in the middle of a copy that is whole. */
static void check_object(const void *object, i64 touched) {
    const i64 *words = (const i64 *)object;
    if (kind == DRIFT_IFACE_INLINE) {
        const DriftIface *copy =
            (const DriftIface *)((const char *)object - offsetof(DriftIface, inline_storage));
        EQUAL((i64)((uintptr_t)object % 8), 0);
        CHECK(copy->vtable == vtable_at_hand && copy->data == environment &&
                  copy->flags == DRIFT_IFACE_INLINE,
              "the object is not in a copy of its callback");
    } else {
        CHECK(object == environment, "the object is not at `data`");
    }
    for (int i = 0; i < 4; i++) {
        EQUAL(words[i], contents[i] ^ touched);
    }
}

static void on_call(void *object) {
    i64 *words = (i64 *)object;
    CHECK(get(&called) == 0 && get(&dropped) == 0, "called late or twice");
    call_object = object;
    set(&called, add(&count_of_calls, 1) + 1);
    check_object(object, 0);
    for (int i = 0; i < 4; i++) {
        words[i] ^= 0x55;
        drift_thread_yield();
        drift_thread_park_until(1);
        std_sleep(1);
    }
    check_object(object, 0x55);
}

static void on_drop(void *object) {
    CHECK(get(&dropped) == 0, "dropped twice");
    drop_object = object;
    set(&dropped, add(&count_of_calls, 1) + 1);
    check_object(object, get(&called) != 0 ? 0x55 : 0);
}

static const drift_vtable with_drop = {on_drop, on_call};
static const drift_vtable without_drop = {NULL, on_call};

/* The caller's value is gone as soon as it was given away. */
static i64 spawn_callback(const drift_vtable *vtable) {
    DriftIface callback;
    called = dropped = freed = count_of_calls = 0;
    call_object = drop_object = free_object = NULL;
    vtable_at_hand = vtable;
    memcpy(environment, contents, sizeof environment);
    memset(&callback, 0xa5, sizeof callback);
    callback.data = environment;
    callback.vtable = vtable;
    callback.flags = (uint8_t)kind;
    if (kind == DRIFT_IFACE_INLINE) {
        memcpy(callback.inline_storage, contents, sizeof contents);
    }
    i64 vt = drift_thread_spawn(&callback, 0);
    CHECK(vt > 0, "spawn gave handle %lld", (long long)vt);
    memset(&callback, 0x5a, sizeof callback);
    return vt;
}

/* What must have been called, in which order and with what. */
static void ended(i64 ran) {
    i64 next = 0;
    EQUAL(get(&called), ran ? ++next : 0);
    EQUAL(get(&dropped), vtable_at_hand->drop != NULL ? ++next : 0);
    EQUAL(get(&freed), kind == DRIFT_IFACE_OWNED ? ++next : 0);
    EQUAL(get(&count_of_calls), next);
    if (called != 0 && dropped != 0) {
        CHECK(call_object == drop_object, "the object moved between `call` and `drop`");
    }
    if (freed != 0) {
        CHECK(free_object == environment, "freed something else");
    }
}

static void runs(const drift_vtable *vtable) {
    i64 vt = spawn_callback(vtable);
    EQUAL(get(&count_of_calls), 0);
    EQUAL(drift_exec_submit(make_executor(2), vt), 0);
    drift_thread_join(vt);
    ended(1);
}

static void is_cancelled_while_new(const drift_vtable *vtable) {
    i64 vt = spawn_callback(vtable);
    EQUAL(drift_thread_cancel(vt), 0);
    ended(0);
    EQUAL(drift_exec_submit(make_executor(1), vt), 0);
    drift_thread_join(vt);
    EQUAL(drift_thread_cancel(vt), 1);
    ended(0);
}

static void body_holds(task *self) {
    set(&holding, 1);
    spin_for(&go, 1);
    self->result = 1;
}

static void is_cancelled_while_ready(const drift_vtable *vtable) {
    task holder;
    i64 exec = make_executor(1);
    set(&go, 0);
    set(&holding, 0);
    task_start(&holder, body_holds, 0, exec);
    wait_for(&holding, 1);
    i64 vt = spawn_callback(vtable);
    EQUAL(drift_exec_submit(exec, vt), 0);
    EQUAL(drift_thread_cancel(vt), 0);
    ended(0);
    EQUAL(drift_thread_is_completed(vt), 1);
    set(&go, 1);
    drift_thread_join(vt);
    task_join(&holder);
    ended(0);
}

static void is_dropped_while_new(const drift_vtable *vtable) {
    i64 vt = spawn_callback(vtable);
    drift_thread_drop(vt);
    ended(0);
    EQUAL(drift_thread_is_completed(vt), 1);
    drift_thread_drop(vt);
    drift_thread_join(vt);
    ended(0);
}

static void both(i64 flags, void (*way)(const drift_vtable *)) {
    kind = flags;
    way(&with_drop);
    way(&without_drop);
}

#define CASES_OF(name, flags)                              \
    static void name##_runs(void) {                        \
        both(flags, runs);                                 \
    }                                                      \
    static void name##_is_cancelled_while_new(void) {      \
        both(flags, is_cancelled_while_new);               \
    }                                                      \
    static void name##_is_cancelled_while_ready(void) {    \
        both(flags, is_cancelled_while_ready);             \
    }                                                      \
    static void name##_is_dropped_while_new(void) {        \
        both(flags, is_dropped_while_new);                 \
    }
CASES_OF(plain, 0)
CASES_OF(inline, DRIFT_IFACE_INLINE)
CASES_OF(owned, DRIFT_IFACE_OWNED)

static const test_case cases[] = {
    {"plain_runs", plain_runs},
    {"plain_is_cancelled_while_new", plain_is_cancelled_while_new},
    {"plain_is_cancelled_while_ready", plain_is_cancelled_while_ready},
    {"plain_is_dropped_while_new", plain_is_dropped_while_new},
    {"inline_runs", inline_runs},
    {"inline_is_cancelled_while_new", inline_is_cancelled_while_new},
    {"inline_is_cancelled_while_ready", inline_is_cancelled_while_ready},
    {"inline_is_dropped_while_new", inline_is_dropped_while_new},
    {"owned_runs", owned_runs},
    {"owned_is_cancelled_while_new", owned_is_cancelled_while_new},
    {"owned_is_cancelled_while_ready", owned_is_cancelled_while_ready},
    {"owned_is_dropped_while_new", owned_is_dropped_while_new},
};

CASES_MAIN(cases)
