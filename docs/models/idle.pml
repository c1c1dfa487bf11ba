/* Who sleeps, who searches, whom to wake: the word and the flags of core/src/sched/idle.rs.
 *
 * One executor of N carriers, all of them started. Each step reads or writes one shared word, as
 * the code does; all are sequentially consistent. Tasks are counts: how many wait, and where, is
 * all that matters here. Who polls and who looks out is in lookout.pml; here a carrier that
 * sleeps may wake by itself at any time. README.md says what else is left out.
 *
 *   Carrier(me)   turn and sleep, for ever
 *   Pusher        an OS thread that queues one task in the injector
 *   Home(at)      an OS thread that wakes a task which has to run on carrier `at`
 *   Monitor       what must never be so
 *
 * Each scenario in scenarios.toml says how many there are:
 *
 *   N, PUSHERS    carriers; OS threads that push
 *   HOMES         OS threads that wake a task which has to run on carrier 0, 1, ...
 *   KIDS          tasks that tasks may queue, each at the carrier that it runs on
 *   LONGS         tasks that may take their carrier for ever
 */
#if N == 2
#define EACH(is) (is(0) && is(1))
#define SOME(is) (is(0) || is(1))
#define SUM(of) (of(0) + of(1))
#else
#define EACH(is) (is(0) && is(1) && is(2))
#define SOME(is) (is(0) || is(1) || is(2))
#define SUM(of) (of(0) + of(1) + of(2))
#endif

/* Queues: `executor.rs`, `run_queue.rs`, `home.rs`. */
byte injector, queue[N], inbox[N];

/* The word of the executor, `Idle`. Its upper half is signed. */
short sleeping;
byte searching;

/* A carrier's flag, and a wake that its platform keeps. */
bool asleep[N], notified[N];

/* What is left to be done; what the monitor sees. */
byte kids = KIDS, longs = LONGS, pushing, queued, ran;
bool in_bed[N], busy[N];

/* `Executor::has_work`, one queue after the other. */
inline look() {
    atomic { work = (injector > 0); v = 0 };
    do
    :: atomic { !work && v < N -> work = (queue[v] > 0); v++ }
    :: atomic { work || v == N -> v = 0; break }
    od
}

/* `Executor::notify`. That the poller is left for the last is a matter of taste. */
inline notify() {
    do
    :: atomic { sleeping > 0 && searching == 0 -> sleeping--; searching++ }; /* begin_wake */
       do
       :: atomic { v < N && !asleep[v] -> v++ }
       :: atomic { v < N && asleep[v] -> asleep[v] = false; found = v + 1; break }
       :: v == N -> break
       od;
       v = 0;
       if
       :: found -> atomic { notified[found - 1] = true; found = 0; break }
       :: else ->
          atomic { sleeping++; searching-- }; /* undo_wake */
#ifdef BREAK_1 /* a pusher that found no flag does not look again */
          break
#else
          look();
          if
          :: work -> work = false
          :: else -> break
          fi
#endif
       fi
    :: atomic { sleeping <= 0 || searching > 0 -> break }
    od
}

/* `has_work`, and then. */
inline look_and_notify() {
    look();
    if
    :: work -> work = false; notify()
    :: else
    fi
}

/* `wants_help`, and then. */
inline call_help() {
    if
    :: searching == 0 -> notify()
    :: else
    fi
}

/* A searcher is one no more: `found_work`. */
inline stop_searching() {
    if
    :: searches ->
       atomic { searches = false; work = (searching == 1); searching-- };
       if
#ifdef BREAK_2 /* the last searcher does not look whether there is more */
       :: work = false
#else
       :: work -> look_and_notify()
       :: else
#endif
       fi
    :: else
    fi
}

proctype Carrier(byte me) {
    bool searches, work, saw_work;
    byte v, found, share;

turn: /* `next`, in the order of sched/mod.rs */
#if HOMES > 0
    if /* `next_kept`: first in one turn of three */
    :: atomic { inbox[me] > 0 -> inbox[me]-- };
       if
       :: queue[me] > 0 -> call_help() /* offer_queue */
       :: else
       fi;
       goto found_work
    :: queue[me] > 0 || injector > 0 || inbox[me] == 0
    fi;
#endif
    if /* `next_in_queue` */
    :: atomic { queue[me] > 0 -> queue[me]-- };
       if
       :: queue[me] > 0 -> call_help()
       :: else
       fi;
       goto found_work
    :: else
    fi;
    if /* `take_share` */
    :: injector > 0 ->
       atomic {
           share = injector / N + 1;
           share = (share > injector -> injector : share);
           injector = injector - share
       };
       if
       :: share > 1 -> queue[me] = queue[me] + share - 1
       :: else
       fi;
       if
       :: searching == 0 -> look_and_notify()
       :: else
       fi;
       if
       :: share > 0 -> share = 0; goto found_work
       :: else
       fi
    :: else
    fi;
    if /* `steal` */
    :: searches
    :: !searches ->
       if
       :: atomic { 2 * searching < N -> searching++; searches = true }
       :: else -> goto nothing
       fi
    fi;
    do
    :: atomic { v < N && (v == me || queue[v] == 0) -> v++ }
    :: atomic {
           v < N && v != me && queue[v] > 0 ->
           share = (queue[v] + 1) / 2;
           queue[v] = queue[v] - share;
           v = 0
       };
       /* The claim came first: in between, the rest of the share is in nobody's queue. */
       if
       :: share > 1 -> queue[me] = queue[me] + share - 1
       :: else
       fi;
       share = 0;
       goto found_work
    :: v == N -> v = 0; break
    od;

nothing: /* `idle_turn` */
    if
    :: queue[me] > 0 || injector > 0 || inbox[me] > 0 -> goto turn
    :: else
    fi;
#ifdef BREAK_3 /* a sleeper that looks before it sets its flag and counts itself */
    look();
#endif
    asleep[me] = true; /* `sleep` */
    atomic { sleeping++; searching = searching - searches; searches = false }; /* fall_asleep */
#ifndef BREAK_3
    look();
#endif
    saw_work = work;
#ifndef BREAK_4 /* a sleeper that does not look at its inbox */
    if
    :: !work && inbox[me] > 0 -> work = true
    :: else
    fi;
#endif
#ifdef BREAK_5 /* a platform that does not keep a wake which comes before the sleep */
    notified[me] = false;
#endif
    if
    :: work -> work = false
    :: else ->
       in_bed[me] = true;
end_in_bed:
       if /* woken, or by itself */
       :: atomic { notified[me] -> notified[me] = false; in_bed[me] = false }
#ifndef LIVE
       :: atomic { !notified[me] -> in_bed[me] = false }
#endif
       fi
    fi;
    sleeping--; /* wake_up */
    if
    :: atomic { asleep[me] -> asleep[me] = false };
       if
#ifdef BREAK_8 /* a sleeper that saw work does not search for it */
       :: saw_work = false
#else
       :: saw_work -> saw_work = false; atomic { searching++; searches = true } /* search_on */
       :: else
#endif
       fi
    :: else ->
#ifndef BREAK_6 /* a woken carrier that does not count itself again */
       sleeping++; /* was_woken */
#endif
       saw_work = false;
       searches = true
    fi;
    goto turn;

found_work:
    stop_searching();
    atomic { ran++; assert(ran <= queued) };
    do /* the task, from its mount to its end */
    :: goto turn
    :: atomic { kids > 0 -> kids--; work = (queue[me] > 0); queue[me]++; queued++ }; /* push */
       if
       :: work -> work = false; call_help()
       :: else
       fi
    :: atomic { longs > 0 -> longs--; busy[me] = true }; goto end_busy
    od;
end_busy:
    false
}

proctype Pusher() {
    bool work;
    byte v, found;
    atomic { pushing++; injector++; queued++ };
    notify();
    pushing--
}

/* `Executor::queue_at_home` and `wake_home`. */
proctype Home(byte at) {
    bool work;
    byte v, found;
    atomic { pushing++; inbox[at]++; queued++ };
    if
    :: asleep[at] ->
       atomic { sleeping--; searching++ }; /* begin_wake_of_one */
       if
       :: atomic { asleep[at] -> asleep[at] = false }; notified[at] = true
       :: else ->
          atomic { sleeping++; searching-- }; /* undo_wake */
#ifndef BREAK_7 /* a wake of one that came late does not look at the queues */
          look_and_notify()
#endif
       fi
    :: else
    fi;
    pushing--
}

/* A carrier that nothing done so far will wake. */
#define LIES(c) (in_bed[c] && !notified[c])
#define STILL(c) (LIES(c) || busy[c])
/* The one task that a busy carrier has queued for itself waits for a tick: lookout.pml. */
#define WAITS(c) (queue[c] > busy[c])
#define IN_INBOX(c) (LIES(c) && inbox[c] > 0)

#define settled (pushing == 0 && EACH(STILL))
#define stuck (settled && SOME(LIES) && (injector > 0 || SOME(WAITS) || SOME(IN_INBOX)))
#define miscounted (settled && (sleeping != SUM(LIES) || searching != 0))

proctype Monitor() {
end_monitor:
    if
    :: atomic { stuck -> assert(!stuck) }
    :: atomic { miscounted -> assert(!miscounted) }
    fi
}

init {
    byte i;
    atomic {
        for (i : 0 .. N - 1) { run Carrier(i) }
#if PUSHERS > 0
        for (i : 1 .. PUSHERS) { run Pusher() }
#endif
#if HOMES > 0
        for (i : 1 .. HOMES) { run Home(i - 1) }
#endif
#ifndef LIVE
        run Monitor();
#endif
        i = 0
    }
}

/* All that is queued is run, although nobody wakes by himself. */
#ifdef LIVE
#define IS_EMPTY(c) (queue[c] == 0 && inbox[c] == 0)
ltl served { <> [] (injector == 0 && EACH(IS_EMPTY)) }
#endif
