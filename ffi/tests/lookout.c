/* Idle carriers and growth: what is ready is served while others keep their carriers busy, and
 * nothing ticks when nothing is to be served.
 *
 * Whoever keeps a carrier busy here does so until what must be served has been; if it is not, that
 * is wrong after `STARVED_MS`. So no case depends on how long anything takes.
 *
 * | case                          | arguments                                              |
 * |-------------------------------|--------------------------------------------------------|
 * | cancel_and_join_timeout_storm | parents (40), children of each (200), rounds (2)       |
 * | the rest                      | none                                                   |
 */
#include "harness.h"

#include <sys/resource.h>

/* Longer than a standby stays without work, which is a second. */
enum { STANDBY_GONE_MS = 1500 };
/* Longer than a lookout goes on looking around, which is a tenth. */
enum { LOOKOUT_DOZES_MS = 300 };

static i64 executor;
/* How many hold a carrier, or have parked. */
static i64 arrived;
static i64 armed;
static i64 served;
static i64 stop;

static void body_nothing(task *self) {
    self->result = 1;
}

static void body_serves(task *self) {
    self->result = 1;
    set(&served, 1);
}

static void body_holds(task *self) {
    add(&arrived, 1);
    hold_for(&served, 1);
    self->result = 1;
}

/* Leaves each carrier of `exec` with an OS thread, and idle. */
static void body_meets(task *self) {
    add(&arrived, 1);
    hold_for(&arrived, self->arg);
}

static void warm_up(i64 exec, i64 carriers) {
    task meeting[8];
    CHECK(carriers <= 8, "too many carriers");
    set(&arrived, 0);
    for (i64 i = 0; i < carriers; i++) {
        task_start(&meeting[i], body_meets, carriers, exec);
    }
    for (i64 i = 0; i < carriers; i++) {
        task_ends(&meeting[i]);
    }
    set(&arrived, 0);
}

/* Fresh executors: as many tasks as carriers, and none may wait for another's end. */
static void every_carrier_starts(void) {
    for (int i = 0; i < 20; i++) {
        warm_up(make_executor(4), 4);
    }
}

/* Pushes one task and goes on running. */
static void body_pushes(task *self) {
    static task pushed;
    task_start(&pushed, body_serves, 0, self->arg);
    hold_for(&served, 1);
    task_ends(&pushed);
    self->result = 1;
}

static void lone_push_after_the_standby_ended(void) {
    task one;
    i64 exec = make_elastic(1, 2);
    task_start(&one, body_nothing, 0, exec);
    task_ends(&one);
    os_sleep_ms(STANDBY_GONE_MS);
    task_start(&one, body_pushes, exec, exec);
    task_ends(&one);
}

/* The poller and its deputy belong to other executors. */
static void lone_push_with_the_lookout_elsewhere(void) {
    task one;
    warm_up(make_executor(1), 1);
    warm_up(make_executor(1), 1);
    os_sleep_ms(50);
    i64 exec = make_executor(2);
    warm_up(exec, 2);
    os_sleep_ms(LOOKOUT_DOZES_MS);
    task_start(&one, body_pushes, exec, exec);
    task_ends(&one);
}

/* Three hold a carrier each, and the fourth still runs. */
static void elastic_grows_more_than_once(void) {
    task holders[3];
    task last;
    i64 exec = make_elastic(1, 4);
    for (int i = 0; i < 3; i++) {
        task_start(&holders[i], body_holds, 0, exec);
    }
    task_start(&last, body_serves, 0, exec);
    for (int i = 0; i < 3; i++) {
        task_ends(&holders[i]);
    }
    task_ends(&last);
}

static void wait_readable(i64 fd) {
    drift_reactor_register_io(fd, DRIFT_INTEREST_READ, drift_thread_current(), 0);
    add(&armed, 1);
    drift_thread_park(0);
}

static void body_reads_and_holds(task *self) {
    wait_readable(self->arg);
    add(&arrived, 1);
    hold_for(&served, 1);
}

static void body_reads_and_serves(task *self) {
    wait_readable(self->arg);
    set(&served, 1);
}

/* The first two take the poller and its deputy away with them. */
static void third_descriptor_with_two_carriers_busy(void) {
    task readers[3];
    i64 fd[3];
    i64 exec = make_executor(4);
    warm_up(exec, 4);
    for (int i = 0; i < 3; i++) {
        fd[i] = drift_test_eventfd_create();
        task_start(&readers[i], i < 2 ? body_reads_and_holds : body_reads_and_serves, fd[i], exec);
    }
    wait_for(&armed, 3);
    os_sleep_ms(LOOKOUT_DOZES_MS);
    for (int i = 0; i < 2; i++) {
        drift_test_eventfd_write(fd[i], 1);
        wait_for(&arrived, i + 1);
    }
    drift_test_eventfd_write(fd[2], 1);
    for (int i = 0; i < 3; i++) {
        task_ends(&readers[i]);
    }
}

/* Long enough for the other carrier to go to sleep in the poller. */
static void body_holds_until_another_polls(task *self) {
    add(&arrived, 1);
    hold_for(&armed, 1);
    i64 start = now_us();
    while (now_us() - start < 100000) {
    }
    self->result = 1;
}

static void readiness_after_the_polling_carrier_ended(void) {
    task holder;
    task reader;
    i64 fd = drift_test_eventfd_create();
    i64 exec = make_elastic(1, 2);
    task_start(&holder, body_holds_until_another_polls, 0, exec);
    wait_for(&arrived, 1);
    task_start(&reader, body_reads_and_serves, fd, exec);
    task_ends(&holder);
    os_sleep_ms(STANDBY_GONE_MS);
    drift_test_eventfd_write(fd, 1);
    task_ends(&reader);
}

/* Its timer lies with a carrier that another then keeps. */
static void body_sleeps_and_serves(task *self) {
    add(&armed, 1);
    drift_thread_park_until(20);
    self->result = 1;
    set(&served, 1);
}

static void timer_of_a_busy_carrier(void) {
    task sleeper;
    task holder;
    i64 exec = make_elastic(1, 2);
    task_start(&sleeper, body_sleeps_and_serves, 0, exec);
    wait_for(&armed, 1);
    os_sleep_ms(5);
    task_start(&holder, body_holds, 0, exec);
    task_ends(&sleeper);
    task_ends(&holder);
}

static void body_sleeps_long_and_serves(task *self) {
    add(&armed, 1);
    drift_thread_park_until(2 * STANDBY_GONE_MS);
    self->result = 1;
    set(&served, 1);
}

/* The one that joined in has had nothing to do for long, but is the only one that could serve. */
static void timer_of_a_busy_carrier_after_the_other_was_idle(void) {
    task sleeper;
    task holder;
    task behind;
    i64 exec = make_elastic(1, 2);
    task_start(&sleeper, body_sleeps_long_and_serves, 0, exec);
    wait_for(&armed, 1);
    os_sleep_ms(5);
    task_start(&holder, body_holds, 0, exec);
    wait_for(&arrived, 1);
    task_start(&behind, body_nothing, 0, exec);
    task_ends(&behind);
    task_ends(&sleeper);
    task_ends(&holder);
}

static void timer_of_a_busy_carrier_with_the_poller_elsewhere(void) {
    task one;
    task_start(&one, body_nothing, 0, drift_exec_default_get());
    task_ends(&one);
    os_sleep_ms(50);
    timer_of_a_busy_carrier();
}

/* No carrier ever idles: one holds its own, the other one's yields. */
static void body_yields(task *self) {
    while (get(&stop) == 0) {
        drift_thread_yield();
    }
    self->result = 1;
}

static void body_holds_behind_a_sleeper(task *self) {
    static task sleeper;
    task_start(&sleeper, body_sleeps_and_serves, 0, self->arg);
    while (get(&armed) == 0) {
        drift_thread_yield();
    }
    hold_for(&served, 1);
    task_ends(&sleeper);
}

static void timer_of_a_busy_carrier_with_the_other_yielding(void) {
    for (int round = 0; round < 3; round++) {
        task yielder;
        task holder;
        i64 exec = make_executor(2);
        set(&stop, 0);
        set(&armed, 0);
        set(&served, 0);
        task_start(&yielder, body_yields, 0, exec);
        os_sleep_ms(20);
        task_start(&holder, body_holds_behind_a_sleeper, exec, exec);
        task_ends(&holder);
        set(&stop, 1);
        task_ends(&yielder);
    }
}

/* Every thread of the process, those that have ended too. */
static i64 voluntary_switches(void) {
    struct rusage usage;
    EQUAL(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_nvcsw;
}

static void body_sleeps_for_an_hour(task *self) {
    add(&armed, 1);
    drift_thread_park_until(3600000);
    self->result = 1;
}

/* A tick is 10 ms, so who ticks does so 200 times in 2 s. A busy machine may let the carriers come
 * to rest late, but they must. */
static void idle_elastic_executor_does_not_tick(void) {
    static task sleeper;
    task holder;
    i64 switches = 0;
    i64 exec = make_elastic(1, 2);
    task_start(&holder, body_holds_until_another_polls, 0, exec);
    wait_for(&arrived, 1);
    task_start(&sleeper, body_sleeps_for_an_hour, 0, exec);
    task_ends(&holder);
    os_sleep_ms(STANDBY_GONE_MS);
    for (int attempt = 0; attempt < 5; attempt++) {
        i64 before = voluntary_switches();
        os_sleep_ms(2000);
        switches = voluntary_switches() - before;
        if (switches < 60) {
            return;
        }
    }
    CHECK(0, "%lld voluntary switches in 2 idle seconds", (long long)switches);
}

/* Cancels, joins and joins with a time-out, across carriers that come and go. */
static task *leaves;

static void body_leaf(task *self) {
    if (self->arg % 2 == 1) {
        drift_thread_park_until(1);
    }
}

static void body_parent(task *self) {
    i64 count = self->arg;
    task *own = &leaves[add(&arrived, 1) * count];
    for (i64 i = 0; i < count; i++) {
        task_start(&own[i], body_leaf, i, executor);
        if (i % 7 == 0) {
            drift_thread_cancel(own[i].vt);
        }
        if (i % 3 != 0) {
            drift_thread_join(own[i].vt);
            continue;
        }
        while (drift_thread_join_timeout(own[i].vt, 1) != 0 && i % 7 != 0) {
        }
    }
}

static void cancel_and_join_timeout_storm(void) {
    enum { MOST = 1000 };
    static task parents[MOST];
    i64 count = param(0, 40);
    i64 children = param(1, 200);
    CHECK(count <= MOST, "at most %d", MOST);
    executor = make_elastic(3, 5);
    leaves = (task *)calloc((size_t)(count * children), sizeof(task));
    CHECK(leaves != NULL, "no memory");
    for (i64 round = 0; round < param(2, 2); round++) {
        set(&arrived, 0);
        for (i64 i = 0; i < count; i++) {
            task_start(&parents[i], body_parent, children, executor);
        }
        for (i64 i = 0; i < count; i++) {
            task_join(&parents[i]);
        }
        for (i64 i = 0; i < count * children; i++) {
            wait_for(&leaves[i].drops, 1);
            CHECK(get(&leaves[i].calls) == 1 || i % children % 7 == 0, "one never ran");
        }
    }
    free(leaves);
}

static const test_case cases[] = {
    {"every_carrier_starts", every_carrier_starts},
    {"lone_push_after_the_standby_ended", lone_push_after_the_standby_ended},
    {"lone_push_with_the_lookout_elsewhere", lone_push_with_the_lookout_elsewhere},
    {"elastic_grows_more_than_once", elastic_grows_more_than_once},
    {"third_descriptor_with_two_carriers_busy", third_descriptor_with_two_carriers_busy},
    {"readiness_after_the_polling_carrier_ended", readiness_after_the_polling_carrier_ended},
    {"timer_of_a_busy_carrier", timer_of_a_busy_carrier},
    {"timer_of_a_busy_carrier_after_the_other_was_idle",
     timer_of_a_busy_carrier_after_the_other_was_idle},
    {"timer_of_a_busy_carrier_with_the_poller_elsewhere",
     timer_of_a_busy_carrier_with_the_poller_elsewhere},
    {"timer_of_a_busy_carrier_with_the_other_yielding",
     timer_of_a_busy_carrier_with_the_other_yielding},
    {"idle_elastic_executor_does_not_tick", idle_elastic_executor_does_not_tick},
    {"cancel_and_join_timeout_storm", cancel_and_join_timeout_storm},
};

CASES_MAIN(cases)
