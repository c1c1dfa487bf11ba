/* C++ exceptions belong to the virtual thread that threw them, whoever throws meanwhile and on
 * whichever carrier it goes on.
 *
 * The C++ runtime has two words for each OS thread: the exceptions that are being handled, as a
 * stack, and the number of those on their way to a handler (Itanium C++ ABI, exception handling,
 * 2.2.2). Virtual threads that shared them would pop each other's.
 *
 * | case      | what waits, and yields, parks and sleeps meanwhile                               |
 * |-----------|----------------------------------------------------------------------------------|
 * | handlers  | a handler, which then throws what it handles once more                           |
 * | unwinding | a destructor on the way to a handler, beside others where nothing is on its way  |
 * | nested    | handlers within handlers                                                         |
 * | moved     | a handler, and a destructor, that go on upon the other carrier each time         |
 *
 * All are inside before anybody leaves, and who came first leaves first: one stack for all of them
 * would be right if they left the other way round. Nothing depends on how long anything takes.
 */
#include "harness.h"

#include <exception>
#include <sys/syscall.h>

enum { MEMBERS = 8, ROUNDS = 50, DEPTH = 3 };

static task members[MEMBERS];
/* Everybody's meetings, and the round's comings and goings; none is ever set back. */
static i64 arrived;
static i64 entered;
static i64 left;
/* Exceptions that exist. */
static i64 alive;

struct thrown {
    const i64 value;
    explicit thrown(i64 its_value) : value(its_value) {
        add(&alive, 1);
    }
    thrown(const thrown &other) : value(other.value) {
        add(&alive, 1);
    }
    thrown &operator=(const thrown &) = delete;
    ~thrown() {
        add(&alive, -1);
    }
};

/* Of a virtual thread that handles nothing and where nothing is on its way. */
static void check_calm() {
    CHECK(std::current_exception() == nullptr, "it handles somebody else's exception");
    EQUAL(std::uncaught_exceptions(), 0);
}

/* Meetings of one member: parks until all have come to this one. `number` is the last one's. */
static void meet(i64 *number) {
    i64 all = ++*number * MEMBERS;
    if (add(&arrived, 1) + 1 == all) {
        for (task &other : members) {
            if (other.vt != drift_thread_current()) {
                drift_thread_unpark(other.vt);
            }
        }
    }
    while (get(&arrived) < all) {
        drift_thread_park(0);
    }
}

/* Lets others run: by each way in turn, and each member differently. */
static void wait_somehow(i64 seed) {
    switch (seed % 4) {
    case 0:
        drift_thread_park_until(1);
        break;
    case 1:
        std_sleep(1);
        break;
    default:
        for (i64 i = 0; i < seed % 5; i++) {
            drift_thread_yield();
        }
    }
}

/* Throws, and lets others run while it handles that. */
static void throw_and_catch(i64 value) {
    try {
        throw thrown(value);
    } catch (const thrown &mine) {
        drift_thread_yield();
        EQUAL(mine.value, value);
    }
}

/* What the handler at hand handles stays the same while others run. */
static void handle_for_long(i64 value, i64 seed) {
    std::exception_ptr mine = std::current_exception();
    for (i64 step = 0; step < 4; step++) {
        wait_somehow(seed + step);
        CHECK(std::current_exception() == mine, "it handles another exception than before");
        throw_and_catch(-value - step);
        CHECK(std::current_exception() == mine, "one handled meanwhile is not left");
        EQUAL(std::uncaught_exceptions(), 0);
    }
}

/* Starts all of them at once. Whatever they threw is gone when they are. */
static void run_members(void (*body)(task *), i64 carriers) {
    i64 exec = make_executor(carriers);
    for (i64 i = 0; i < MEMBERS; i++) {
        task_start(&members[i], body, i, exec);
    }
    for (task &member : members) {
        task_join(&member);
        EQUAL(member.result, ROUNDS);
    }
    EQUAL(get(&alive), 0);
}

static void body_handles(task *self) {
    i64 meetings = 0;
    for (i64 round = 0; round < ROUNDS; round++) {
        const thrown *address = nullptr;
        i64 value = 1 + round * MEMBERS + self->arg;
        i64 number = add(&entered, 1);
        try {
            try {
                throw thrown(value);
            } catch (const thrown &mine) {
                address = &mine;
                EQUAL(mine.value, value);
                meet(&meetings);
                handle_for_long(value, self->arg + round);
                wait_for(&left, number);
                throw;
            }
        } catch (const thrown &mine) {
            EQUAL(mine.value, value);
            CHECK(&mine == address, "thrown again, it is another object");
            add(&left, 1);
            drift_thread_yield();
            EQUAL(mine.value, value);
        }
        check_calm();
        self->result++;
    }
}

/* As it is left on the way to a handler, lets others run. */
struct unwound {
    i64 *meetings;
    i64 seed;
    /* How many are on their way while it is left. */
    i64 expected;

    ~unwound() {
        EQUAL(std::uncaught_exceptions(), expected);
        meet(meetings);
        for (i64 step = 0; step < 4; step++) {
            wait_somehow(seed + step);
            EQUAL(std::uncaught_exceptions(), expected);
            throw_and_catch(seed);
            EQUAL(std::uncaught_exceptions(), expected);
        }
        meet(meetings);
        EQUAL(std::uncaught_exceptions(), expected);
    }
};

/* While one is on its way, throws a second one and handles that. */
struct unwound_twice {
    i64 *meetings;
    i64 seed;

    ~unwound_twice() {
        try {
            unwound inner = {meetings, seed, 2};
            throw thrown(-seed);
        } catch (const thrown &second) {
            EQUAL(second.value, -seed);
            EQUAL(std::uncaught_exceptions(), 1);
            drift_thread_yield();
            EQUAL(std::uncaught_exceptions(), 1);
        }
    }
};

/* A third of them unwinds once, a third twice, and a third does not. */
static void unwind_once(i64 kind, i64 *meetings, i64 value) {
    if (kind == 0) {
        unwound calm = {meetings, value, 0};
        return;
    }
    try {
        if (kind == 1) {
            unwound outer = {meetings, value, 1};
            throw thrown(value);
        }
        unwound_twice outer = {meetings, value};
        throw thrown(value);
    } catch (const thrown &mine) {
        EQUAL(mine.value, value);
        drift_thread_yield();
        EQUAL(mine.value, value);
    }
}

static void body_unwinds(task *self) {
    i64 meetings = 0;
    for (i64 round = 0; round < ROUNDS; round++) {
        unwind_once((self->arg + round) % 3, &meetings, 1 + round * MEMBERS + self->arg);
        check_calm();
        self->result++;
    }
}

/* Leaves by the exception `value + depth`, which it has handled around all below. They meet at
 * the innermost. */
static void nest(i64 value, i64 depth, i64 *meetings) {
    try {
        throw thrown(value + depth);
    } catch (const thrown &mine) {
        handle_for_long(value, value + depth);
        try {
            if (depth > 0) {
                nest(value, depth - 1, meetings);
                CHECK(0, "a level below has swallowed its exception");
            }
            meet(meetings);
        } catch (const thrown &inner) {
            EQUAL(inner.value, value + depth - 1);
            drift_thread_yield();
            EQUAL(inner.value, value + depth - 1);
        }
        handle_for_long(value, value + depth);
        EQUAL(mine.value, value + depth);
        throw;
    }
}

static void body_nests(task *self) {
    i64 meetings = 0;
    for (i64 round = 0; round < ROUNDS / 5; round++) {
        i64 value = 1 + (round * MEMBERS + self->arg) * 2 * DEPTH;
        i64 number = add(&entered, 1);
        try {
            nest(value, DEPTH, &meetings);
        } catch (const thrown &mine) {
            wait_for(&left, number);
            EQUAL(mine.value, value + DEPTH);
            add(&left, 1);
        }
        check_calm();
        self->result += 5;
    }
}

/* One that moves, and two that in turn keep the carrier on which it was. */
static i64 moves;
static i64 moved;
static i64 holding;
static i64 released;

/* Goes on upon the other carrier. */
static void move() {
    i64 thread = syscall(SYS_gettid);
    i64 number = add(&moves, 1) + 1;
    while (get(&moved) < number) {
        drift_thread_park(0);
    }
    CHECK(syscall(SYS_gettid) != thread, "it is where it was, and somebody else as well");
}

/* Where one was that handles an exception, or unwinds. */
static void body_holds(task *self) {
    check_calm();
    add(&holding, 1);
    hold_for(&released, self->arg);
    check_calm();
    throw_and_catch(self->arg);
    check_calm();
    self->result = 1;
}

struct moved_when_left {
    ~moved_when_left() {
        for (int i = 0; i < 3; i++) {
            EQUAL(std::uncaught_exceptions(), 1);
            move();
            EQUAL(std::uncaught_exceptions(), 1);
            throw_and_catch(i);
        }
    }
};

/* Three moves while it unwinds, two while it handles that, and one while it does so again. */
enum { MOVES_EACH = 6 };

static void throw_and_move(i64 value) {
    try {
        try {
            moved_when_left guard;
            throw thrown(value);
        } catch (const thrown &mine) {
            std::exception_ptr before = std::current_exception();
            for (int i = 0; i < 2; i++) {
                move();
                EQUAL(mine.value, value);
                CHECK(std::current_exception() == before, "it handles another exception");
                throw_and_catch(-value);
            }
            throw;
        }
    } catch (const thrown &mine) {
        EQUAL(mine.value, value);
        move();
        EQUAL(mine.value, value);
    }
    check_calm();
}

static void body_moves(task *self) {
    hold_for(&holding, 1);
    for (; self->result < self->arg; self->result++) {
        throw_and_move(1 + self->result);
    }
}

static void moved_on_2_carriers() {
    task mover;
    task holders[2];
    i64 rounds = ROUNDS / 5;
    i64 exec = make_executor(2);
    task_start(&mover, body_moves, rounds, exec);
    task_start(&holders[0], body_holds, 1, exec);
    for (i64 move = 1; move <= rounds * MOVES_EACH; move++) {
        wait_for(&moves, move);
        /* One carrier is held still, so it is the mover's that the next one gets. */
        task_start(&holders[move % 2], body_holds, move + 1, exec);
        wait_for(&holding, move + 1);
        set(&released, move);
        task_ends(&holders[(move - 1) % 2]);
        set(&moved, move);
        drift_thread_unpark(mover.vt);
    }
    task_ends(&mover);
    EQUAL(mover.result, rounds);
    set(&released, rounds * MOVES_EACH + 1);
    task_ends(&holders[0]);
    EQUAL(get(&alive), 0);
}

#define ON_1_AND_2(name, body)                    \
    static void name##_on_1_carrier() {           \
        run_members(body, 1);                     \
    }                                             \
    static void name##_on_2_carriers() {          \
        run_members(body, 2);                     \
    }
ON_1_AND_2(handlers, body_handles)
ON_1_AND_2(unwinding, body_unwinds)
ON_1_AND_2(nested, body_nests)

static const test_case cases[] = {
    {"handlers_on_1_carrier", handlers_on_1_carrier},
    {"handlers_on_2_carriers", handlers_on_2_carriers},
    {"unwinding_on_1_carrier", unwinding_on_1_carrier},
    {"unwinding_on_2_carriers", unwinding_on_2_carriers},
    {"nested_on_1_carrier", nested_on_1_carrier},
    {"nested_on_2_carriers", nested_on_2_carriers},
    {"moved_on_2_carriers", moved_on_2_carriers},
};

CASES_MAIN(cases)
