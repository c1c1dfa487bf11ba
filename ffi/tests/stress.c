/* Scheduling under load. Counts are arguments, so that a test run is short and a person can go on
 * for as long as wanted; the number in brackets is what is used without one.
 *
 * | case         | arguments                                                              |
 * |--------------|------------------------------------------------------------------------|
 * | join_child   | children, one after the other (2000)                                   |
 * | hand_over    | turns (20000), carriers (1)                                            |
 * | unpark_storm | OS threads (4), rounds (2000)                                          |
 * | join_tree    | levels: 2^levels - 1 joins (12), carriers (2)                          |
 * | parked       | virtual threads (2000), carriers (2)                                   |
 * | cancel_storm | virtual threads (2000), carriers (2)                                   |
 * | timers       | sleepers (500), longest sleep in ms (100), carriers (2)                |
 * | spawn_storm  | OS threads (4), virtual threads of each (1000), carriers (2)           |
 * | exit_busy    | exit code (0), virtual threads of each kind (50), carriers (2)         |
 */
#include "harness.h"

static void *zeroed(i64 count, size_t size) {
    void *memory = calloc((size_t)count, size);
    CHECK(memory != NULL, "no memory for %lld", (long long)count);
    return memory;
}

static task *make_tasks(i64 count) {
    return (task *)zeroed(count, sizeof(task));
}

/* xorshift64, Marsaglia, J. Stat. Soft. 8/14, 2003: the same values in every run. */
static i64 pseudo_random(uint64_t *state, i64 below) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (i64)(*state % (uint64_t)below);
}

static void body_nothing(task *self) {
    self->result = self->arg + 1;
}

/* A parent and its child on one carrier. */
static void body_parent(task *self) {
    for (i64 i = 0; i < self->arg; i++) {
        task child;
        task_start(&child, body_nothing, i, drift_exec_default_get());
        task_join(&child);
        EQUAL(child.result, i + 1);
    }
}

static void join_child(void) {
    task parent;
    task_start(&parent, body_parent, param(0, 2000), drift_exec_default_get());
    task_join(&parent);
}

/* Two virtual threads hand a turn back and forth. Each parks in a loop, since a wake that came
 * for the turn before may be left. */
static i64 turns;
static i64 turn;
static task players[2];

static void body_player(task *self) {
    i64 me = self->arg;
    for (i64 i = 0; i < turns; i++) {
        while (get(&turn) != me) {
            drift_thread_park(0);
        }
        set(&turn, 1 - me);
        drift_thread_unpark(players[1 - me].vt);
    }
    self->result = turns;
}

static void hand_over(void) {
    i64 exec = make_executor(param(1, 1));
    i64 start = now_us();
    turns = param(0, 20000);
    task_spawn(&players[0], body_player, 0);
    task_spawn(&players[1], body_player, 1);
    EQUAL(drift_exec_submit(exec, players[0].vt), 0);
    EQUAL(drift_exec_submit(exec, players[1].vt), 0);
    task_join(&players[0]);
    task_join(&players[1]);
    EQUAL(turn, 0);
    printf("%.1f ns a turn\n",
           (double)(now_us() - start) * 1000 / (2 * (double)(turns > 0 ? turns : 1)));
}

/* OS threads unpark one virtual thread as fast as they can. Round by round each says what it
 * sent, unparks some times, and goes on once that was seen: so the last unpark of a round must
 * wake, or the round never ends. */
enum { MAX_SENDERS = 64 };
static i64 sent[MAX_SENDERS];
static i64 seen[MAX_SENDERS];
static i64 senders;
static i64 rounds;
static task receiver;
static i64 sender_ids[MAX_SENDERS];

static void body_receiver(task *self) {
    i64 done = 0;
    while (done < senders) {
        drift_thread_park(0);
        self->result++;
        done = 0;
        for (i64 i = 0; i < senders; i++) {
            i64 value = get(&sent[i]);
            set(&seen[i], value);
            done += value == rounds;
        }
    }
}

static void *sender(void *argument) {
    i64 me = *(i64 *)argument;
    for (i64 round = 1; round <= rounds; round++) {
        for (i64 i = 0; i < round % 8; i++) {
            drift_thread_unpark(receiver.vt);
        }
        set(&sent[me], round);
        drift_thread_unpark(receiver.vt);
        i64 start = now_us();
        while (get(&seen[me]) != round) {
            sched_yield();
            CHECK(now_us() - start < (i64)PATIENCE_MS * 1000, "an unpark was lost");
        }
    }
    return NULL;
}

static void unpark_storm(void) {
    pthread_t ids[MAX_SENDERS];
    senders = param(0, 4);
    rounds = param(1, 2000);
    CHECK(senders >= 1 && senders <= MAX_SENDERS, "1 to %d OS threads", MAX_SENDERS);
    task_start(&receiver, body_receiver, 0, make_executor(2));
    for (i64 i = 0; i < senders; i++) {
        sender_ids[i] = i;
        EQUAL(pthread_create(&ids[i], NULL, sender, &sender_ids[i]), 0);
    }
    for (i64 i = 0; i < senders; i++) {
        EQUAL(pthread_join(ids[i], NULL), 0);
    }
    task_join(&receiver);
    printf("%lld wakes for %lld rounds\n", (long long)receiver.result,
           (long long)(senders * rounds));
}

/* A binary tree: every inner one spawns and joins two. */
static i64 tree_executor;

static void body_tree(task *self) {
    if (self->arg <= 1) {
        self->result = 1;
        return;
    }
    task children[2];
    for (int i = 0; i < 2; i++) {
        task_start(&children[i], body_tree, self->arg - 1, tree_executor);
    }
    for (int i = 0; i < 2; i++) {
        task_join(&children[i]);
    }
    self->result = 1 + children[0].result + children[1].result;
}

static void join_tree(void) {
    task root;
    i64 levels = param(0, 12);
    tree_executor = make_executor(param(1, 2));
    task_start(&root, body_tree, levels, tree_executor);
    task_join(&root);
    EQUAL(root.result, ((i64)1 << levels) - 1);
}

/* Many parked at once; then all are woken and joined. */
static i64 arrived;
static i64 gate;

static void body_parked(task *self) {
    add(&arrived, 1);
    while (get(&gate) == 0) {
        drift_thread_park(0);
        self->result++;
    }
}

/* A figure of /proc/self/status, in kB. */
static i64 status_kb(const char *name) {
    char line[256];
    i64 value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            value = strtoll(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

static i64 maps_lines(void) {
    i64 lines = 0;
    int c;
    FILE *file = fopen("/proc/self/maps", "r");
    while (file != NULL && (c = fgetc(file)) != EOF) {
        lines += c == '\n';
    }
    if (file != NULL) {
        fclose(file);
    }
    return lines;
}

static void parked(void) {
    i64 count = param(0, 2000);
    i64 exec = make_executor(param(1, 2));
    task *tasks = make_tasks(count);
    memset(tasks, 0xff, (size_t)count * sizeof(task));
    i64 rss = status_kb("VmRSS");
    i64 tables = status_kb("VmPTE");
    i64 maps = maps_lines();
    i64 start = now_us();
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_parked, i, exec);
    }
    wait_for(&arrived, count);
    printf("%lld parked after %lld ms\n", (long long)count, (long long)(now_us() - start) / 1000);
    printf("each: %lld bytes resident, %lld bytes of page tables; %lld more maps in all\n",
           (long long)((status_kb("VmRSS") - rss) * 1024 / count),
           (long long)((status_kb("VmPTE") - tables) * 1024 / count),
           (long long)(maps_lines() - maps));
    start = now_us();
    set(&gate, 1);
    for (i64 i = 0; i < count; i++) {
        drift_thread_unpark(tasks[i].vt);
    }
    for (i64 i = 0; i < count; i++) {
        task_join(&tasks[i]);
        CHECK(tasks[i].result <= 1, "one unpark woke %lld times", (long long)tasks[i].result);
    }
    printf("woken and joined after %lld ms\n", (long long)(now_us() - start) / 1000);
}

/* Cancel before the submit, in the race with the start, while parked, while running, and all of
 * them a second time from another OS thread meanwhile. */
enum { CANCEL_NEW, CANCEL_RACE, CANCEL_PARKED, CANCEL_RUNNING, CANCEL_DROPPED, CANCEL_KINDS };
static task *storm;
static i64 storm_count;

static void body_until_cancelled(task *self) {
    add(&arrived, 1);
    drift_thread_park(0);
    self->result = 1;
}

static void body_runs_on(task *self) {
    add(&arrived, 1);
    while (get(&gate) == 0) {
        drift_thread_yield();
    }
    self->result = 1;
}

static void *second_canceller(void *argument) {
    uint64_t state = 88172645463325252;
    (void)argument;
    for (i64 i = 0; i < storm_count; i++) {
        drift_thread_cancel(storm[pseudo_random(&state, storm_count)].vt);
    }
    return NULL;
}

static i64 storm_spawn(i64 exec) {
    i64 settled = 0;
    for (i64 i = 0; i < storm_count; i++) {
        switch (i % CANCEL_KINDS) {
        case CANCEL_PARKED:
            task_start(&storm[i], body_until_cancelled, 0, exec);
            settled++;
            break;
        case CANCEL_RUNNING:
            task_start(&storm[i], body_runs_on, 0, exec);
            settled++;
            break;
        default:
            task_spawn(&storm[i], body_nothing, i);
            break;
        }
    }
    return settled;
}

static void storm_cancel(i64 exec) {
    for (i64 i = 0; i < storm_count; i++) {
        i64 kind = i % CANCEL_KINDS;
        if (kind == CANCEL_RACE) {
            EQUAL(drift_exec_submit(exec, storm[i].vt), 0);
        }
        i64 answer = drift_thread_cancel(storm[i].vt);
        CHECK(answer == 0 || answer == 1, "cancel answered %lld", (long long)answer);
        if (kind == CANCEL_NEW) {
            EQUAL(drift_exec_submit(exec, storm[i].vt), 0);
        } else if (kind == CANCEL_DROPPED) {
            drift_thread_drop(storm[i].vt);
        }
    }
}

static void storm_check(const task *one, i64 kind) {
    EQUAL(get(&one->drops), 1);
    switch (kind) {
    case CANCEL_NEW:
    case CANCEL_DROPPED:
        EQUAL(get(&one->calls), 0);
        break;
    case CANCEL_RACE:
        CHECK(get(&one->calls) <= 1, "called twice");
        break;
    default:
        EQUAL(get(&one->calls), 1);
        EQUAL(one->result, 1);
        break;
    }
}

static void cancel_storm(void) {
    pthread_t second;
    storm_count = param(0, 2000);
    storm = make_tasks(storm_count);
    i64 exec = make_executor(param(1, 2));
    wait_for(&arrived, storm_spawn(exec));
    EQUAL(pthread_create(&second, NULL, second_canceller, NULL), 0);
    storm_cancel(exec);
    set(&gate, 1);
    for (i64 i = 0; i < storm_count; i++) {
        drift_thread_join(storm[i].vt);
        storm_check(&storm[i], i % CANCEL_KINDS);
    }
    EQUAL(pthread_join(second, NULL), 0);
}

/* Sleepers of pseudo-random lengths, in the four ways to sleep. */
static i64 latest_us;

static void body_sleeper(task *self) {
    span start = span_start();
    switch (self->arg % 4) {
    case 0:
        std_sleep(self->arg);
        break;
    case 1:
        drift_thread_park_until(self->arg);
        break;
    case 2:
        drift_thread_park_until(drift_time_now_ms() + self->arg);
        break;
    default:
        drift_reactor_register_timer(drift_time_now_ms() + self->arg, self->vt);
        drift_thread_park(0);
        break;
    }
    NOT_SHORT(start, self->arg);
    i64 late = now_us() - start.us - self->arg * 1000;
    i64 before = get(&latest_us);
    while (late > before && !__atomic_compare_exchange_n(&latest_us, &before, late, 0,
                                                         __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    }
}

static void timers(void) {
    uint64_t state = 88172645463325252;
    i64 count = param(0, 500);
    i64 exec = make_executor(param(2, 2));
    task *tasks = make_tasks(count);
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_sleeper, 1 + pseudo_random(&state, param(1, 100)), exec);
    }
    for (i64 i = 0; i < count; i++) {
        task_join(&tasks[i]);
    }
    printf("none early; the latest by %lld us\n", (long long)latest_us);
}

/* OS threads spawn and join at the same time, on the default executor and on another. */
static i64 storm_executor;

static void *spawner(void *argument) {
    i64 count = *(i64 *)argument;
    task *tasks = make_tasks(count);
    spin_for(&gate, 1);
    i64 exec = drift_exec_default_get();
    for (i64 i = 0; i < count; i++) {
        task_start(&tasks[i], body_nothing, i, i % 2 == 0 ? exec : get(&storm_executor));
    }
    for (i64 i = count - 1; i >= 0; i--) {
        task_join(&tasks[i]);
        EQUAL(tasks[i].result, i + 1);
    }
    return NULL;
}

static void spawn_storm(void) {
    pthread_t ids[MAX_SENDERS];
    i64 threads = param(0, 4);
    i64 each = param(1, 1000);
    CHECK(threads >= 1 && threads <= MAX_SENDERS, "1 to %d OS threads", MAX_SENDERS);
    storm_executor = make_executor(param(2, 2));
    for (i64 i = 0; i < threads; i++) {
        EQUAL(pthread_create(&ids[i], NULL, spawner, &each), 0);
    }
    set(&gate, 1);
    for (i64 i = 0; i < threads; i++) {
        EQUAL(pthread_join(ids[i], NULL), 0);
    }
}

/* `main` returns while virtual threads are parked, asleep, running and queued: prompt, and with
 * its own code. What standard output holds is flushed by the C library meanwhile. */
static void body_spins(task *self) {
    add(&arrived, 1);
    for (;;) {
        add(&self->result, 1);
    }
}

static void body_prints(task *self) {
    for (;;) {
        printf("%lld\n", (long long)self->result++);
        drift_thread_park_until(1);
    }
}

static void exit_busy(void) {
    i64 each = param(1, 50);
    i64 carriers = param(2, 2);
    i64 spinning = make_executor(carriers);
    i64 waiting = make_executor(carriers);
    task *tasks = make_tasks(3 * each + carriers);
    for (i64 i = 0; i < each; i++) {
        task_start(&tasks[3 * i], body_parked, 0, waiting);
        task_start(&tasks[3 * i + 1], body_sleeper, 1 + i, waiting);
    }
    task_start(&tasks[2], body_prints, 0, waiting);
    for (i64 i = 0; i < carriers; i++) {
        task_start(&tasks[3 * each + i], body_spins, 0, spinning);
    }
    wait_for(&arrived, each + carriers);
    for (i64 i = 1; i < each; i++) {
        task_start(&tasks[3 * i + 2], body_nothing, 0, spinning);
    }
    case_exit_code = (int)param(0, 0);
}

static const test_case cases[] = {
    {"join_child", join_child},
    {"hand_over", hand_over},
    {"unpark_storm", unpark_storm},
    {"join_tree", join_tree},
    {"parked", parked},
    {"cancel_storm", cancel_storm},
    {"timers", timers},
    {"spawn_storm", spawn_storm},
    {"exit_busy", exit_busy},
};

CASES_MAIN(cases)
