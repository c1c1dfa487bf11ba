/* Who polls, who is the deputy, who dozes, who is told to look out: core/src/sched/idle.rs, its
 * second half, with deadlines and events.
 *
 * One runtime of N carriers, in one executor. The roles, flags, deadlines and wakes are one step
 * for each access of a shared word, as in the code. Queues and the word of the executor are what
 * idle.pml is about: here a push with its wake, a look and a claim of work are one step each.
 * Time comes to who waits for it: a tick may come whenever somebody sleeps until one, and a
 * lookout may find that nothing has run for long enough whenever it is about to sleep.
 *
 *   Carrier(me)   turn and sleep, for ever
 *   Pusher        an OS thread that queues one task in the injector
 *   Armer         an OS thread that arms the deadline, in the wheel of carrier 0
 *   Source        one event becomes ready
 *   Clock         the deadline comes
 *   Monitor       what must never be so
 *
 * Each scenario in scenarios.toml says how many there are:
 *
 *   REST      carriers that begin asleep, the first two with a role and dozing
 *   N, PUSHERS, ARMERS, EVENTS   carriers, and the others above
 *   KIDS      tasks that tasks may queue, each at the carrier that it runs on
 *   LONGS     tasks that may take their carrier for ever
 *   TIMERS    deadlines that tasks may arm, each in the wheel of the carrier that it runs on
 *   ENDS      carriers, the last ones, that may end when there is nothing to do
 *   SERVES    how often a carrier may come to the turn in which it serves
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

#define DEADLINES (ARMERS + TIMERS)

/* The roles: number plus one of the holder, and whether it dozes. `Lookout`. */
byte poller, deputy, running;
bool poller_dozes, deputy_dozes;

/* A carrier's words: the flag; a wake that is kept; 0 awake, FAR, or something sooner. */
#define FAR 1
#define SOON 2
bool asleep[N], notified[N];
byte sleeping_until[N];

/* Queues and the word, as idle.pml has them. */
byte injector, queue[N], searching;

/* The world: whose wheel has the deadline (plus one); whether it has come; a ready event. */
byte armed;
bool due, event;

/* What is left to be done; what the monitor sees. */
byte kids = KIDS, longs = LONGS, timers = TIMERS, serves = SERVES, arming;
bool in_bed[N], busy[N], gone[N], ticks[N];

#define IS_ASLEEP(c) (asleep[c])
#define HAS_QUEUED(c) (queue[c] > 0)
#define has_work (injector > 0 || SOME(HAS_QUEUED))

/* `Executor::notify`, as one step: not the poller, if there is another. Within an atomic. */
inline notify() {
    if
    :: searching == 0 && SOME(IS_ASLEEP) ->
       if
       :: asleep[0] && poller != 1 -> found = 0
       :: asleep[1] && poller != 2 -> found = 1
#if N == 3
       :: asleep[2] && poller != 3 -> found = 2
#endif
       :: else -> found = poller - 1
       fi;
       asleep[found] = false;
       searching++;
       notified[found] = true;
       found = 0
    :: else
    fi
}

/* `Carrier::push`. Within an atomic. */
inline push_here() {
    queue[me]++;
    if
    :: queue[me] > 1 -> notify()
    :: else
    fi
}

/* `timer::fire` on the wheel of `at`: the lock makes it one step. */
inline fire(at) {
    if
    :: atomic { armed == at + 1 && due -> armed = 0; due = false; push_here() }
    :: else
    fi
}

/* `Carrier::serve_others`. */
inline serve_others() {
#if DEADLINES > 0
    do
    :: atomic { v < N && (v == me || asleep[v]) -> v++ }
    :: v < N && v != me && !asleep[v] -> fire(v); v++
    :: v == N -> v = 0; break
    od
#else
    skip
#endif
}

/* `Runtime::hand_on`. */
inline hand_on() {
    if /* `dozer`, of both */
    :: atomic { poller_dozes -> found = poller }
    :: else ->
       if
       :: atomic { deputy_dozes -> found = deputy }
       :: else
       fi
    fi;
    if
    :: !found && poller == 0 ->
#ifdef BREAK_1 /* who hands on relies on a deputy that there is not */
       skip
#else
       if
       :: deputy == 0 ->
          do
          :: atomic { v < N && !asleep[v] -> v++ }
          :: atomic { v < N && asleep[v] -> found = v + 1; break }
          :: v == N -> break
          od;
          v = 0
       :: else
       fi
#endif
    :: else
    fi;
    if
    :: found -> atomic { notified[found - 1] = true; found = 0 }
    :: else
    fi
}

/* `Carrier::serve`: deadlines and the poller, without sleeping. */
inline serve() {
    fire(me);
    if
    :: poller == 0 ->
       if
       :: deputy == 0 -> serve_others()
       :: else
       fi
    :: else
    fi;
    if
    :: atomic { poller == 0 -> poller = me + 1 };
       atomic { got = event; event = false };
       poller_dozes = false;
       poller = 0;
#ifndef BREAK_9 /* who served the poller in passing does not hand on */
       hand_on();
#endif
       if
       :: atomic { got -> got = false; push_here() }
       :: else
       fi
    :: else
    fi
}

/* `Carrier::plan`: whether it dozes; whether it ticks; whether the deadline ends the sleep. */
inline plan() {
#define MAY_END (me >= N - ENDS)
#if DEADLINES > 0
    sees = (armed == me + 1);
#endif
    if
    :: (polls || deputizes) && !MAY_END -> /* it was quiet for long */
       if
       :: polls -> poller_dozes = true
       :: else -> deputy_dozes = true
       fi;
#ifdef BREAK_2 /* a lookout that dozes without a look at who runs */
       dozes = true;
#else
       if
       :: running == 0 ->
          if
#ifdef BREAK_3 /* a deputy that dozes although nobody polls */
          :: dozes = true
#else
          :: polls || poller != 0 -> dozes = true
          :: else
#endif
          fi
       :: else
       fi;
#endif
       if
       :: !dozes && polls -> poller_dozes = false
       :: !dozes && !polls -> deputy_dozes = false
       :: else
       fi
    :: skip
    fi;
    if
    :: (polls || deputizes) && !dozes ->
#ifdef BREAK_4 /* a deputy that has no tick */
       ticks[me] = polls;
#else
       ticks[me] = true;
#endif
#if DEADLINES > 0
       do
       :: atomic { v < N && (v == me || asleep[v]) -> v++ }
       :: v < N && v != me && !asleep[v] -> atomic { sees = sees || armed == v + 1; v++ }
       :: v == N -> v = 0; break
       od
#endif
    :: MAY_END && !(polls || deputizes) -> ticks[me] = true
    :: else
    fi;
    dozes = false
}

proctype Carrier(byte me) {
    bool searches, runs, polls, deputizes, sees, dozes, got, stays, saw_work;
    byte v, found;

    if
    :: atomic { me < REST -> polls = (me == 0); deputizes = (me == 1) }; goto bed
    :: else
    fi;
turn: /* `next` */
#if SERVES > 0
    if
    :: skip
    :: atomic { serves > 0 && (runs || N == 2) -> serves-- }; serve()
    fi;
#endif
    if
    :: atomic {
           queue[me] > 0 -> queue[me]--;
           if
           :: queue[me] > 0 -> notify()
           :: else
           fi
       };
       goto found_work
    :: atomic { queue[me] == 0 && injector > 0 -> injector-- }; goto found_work
    :: atomic {
           !(queue[me] > 0 || injector > 0) ->
           if /* `begin_search` */
           :: !searches && 2 * searching < N -> searching++; searches = true
           :: else
           fi;
           if /* `steal` */
           :: searches && queue[0] > 0 -> queue[0]--; stays = true
           :: searches && queue[1] > 0 -> queue[1]--; stays = true
#if N == 3
           :: searches && queue[2] > 0 -> queue[2]--; stays = true
#endif
           :: else
           fi
       };
       if
       :: stays -> stays = false; goto found_work
       :: else
       fi
    fi;
#if DEADLINES > 0
    fire(me); /* `idle_turn` */
    if
    :: queue[me] > 0 -> goto turn
    :: else
    fi;
#endif

#if ENDS > 0
    if /* `end` */
    :: skip
    :: MAY_END ->
       searching = searching - searches;
       searches = false;
       if
       :: has_work -> goto turn
       :: else
       fi;
       atomic { running = running - runs; runs = false };
       hand_on();
       gone[me] = true;
       goto end_busy
    fi;
#endif
    if /* `sleep` */
    :: runs -> atomic { running--; runs = false }
    :: else
    fi;
    if
    :: atomic { poller == 0 -> poller = me + 1; polls = true }
    :: else ->
       if
       :: atomic { deputy == 0 -> deputy = me + 1; deputizes = true }
       :: else
       fi
    fi;
    atomic { asleep[me] = true; searching = searching - searches; searches = false };
#if DEADLINES > 0
    sleeping_until[me] = FAR;
#endif
    plan();
#if DEADLINES > 0
    sleeping_until[me] = (ticks[me] || sees -> SOON : FAR);
#endif
#ifndef BREAK_5 /* who has no role does not look whether the poller is free */
    if
    :: !polls && !deputizes && poller == 0 -> stays = true
    :: else
    fi;
#endif
    if
    :: atomic { has_work -> saw_work = true; stays = false }
    :: atomic { stays && !has_work -> stays = false }
    :: else ->
bed:   in_bed[me] = true;
end_in_bed:
       atomic { /* `carrier_sleep`; it takes what is ready, whatever ended it */
           notified[me] || ticks[me] || (sees && due) || (polls && event) ->
           notified[me] = false;
           got = (polls && event);
           event = event && !got;
           in_bed[me] = false
       }
    fi;
#if DEADLINES > 0
    atomic { sees = false; sleeping_until[me] = 0 };
#endif
    atomic { /* `take_sleeper`; who saw work searches for it */
        ticks[me] = false;
        searching = searching + (asleep[me] && saw_work);
        searches = (!asleep[me] || saw_work);
        asleep[me] = false;
        saw_work = false
    };
    if
    :: polls ->
       poller_dozes = false;
       poller = 0;
       if
       :: atomic { got -> got = false; push_here() }
       :: else
       fi
    :: else
    fi;
    if
    :: deputizes ->
       deputy_dozes = false;
       deputy = 0
    :: else
    fi;
    if /* `look_out` */
    :: polls || deputizes ->
       polls = false;
       deputizes = false;
#ifndef BREAK_6 /* a lookout that serves nobody else's deadlines */
       serve_others();
#endif
       atomic {
           if
           :: has_work -> notify()
           :: else
           fi
       }
    :: else
    fi;
    goto turn;

found_work:
    if
    :: !runs ->
       atomic { running++; runs = true };
#ifndef BREAK_7 /* a carrier that leaves its role does not hand on */
       hand_on()
#endif
    :: else
    fi;
    atomic {
        if
        :: searches ->
           searches = false;
           searching--;
           if
           :: searching == 0 && has_work -> notify()
           :: else
           fi
        :: else
        fi
    };
    do /* the task, from its mount to its end */
    :: goto turn
    :: atomic { kids > 0 -> kids--; push_here() }
    :: atomic { timers > 0 && !armed -> timers--; armed = me + 1 }
    :: atomic { longs > 0 -> longs--; busy[me] = true }; goto end_busy
    od;
end_busy:
    false
}

proctype Pusher() {
    byte found;
    atomic { injector++; notify() }
}

/* `timer::arm` from outside; then `hurry`. */
proctype Armer() {
    atomic { !armed -> arming++; armed = 1 };
#ifndef BREAK_8 /* who arms a deadline does not wake who sleeps longer */
    if
    :: sleeping_until[0] == FAR -> notified[0] = true
    :: else /* if only a tick ends its sleep, that comes sooner: the worst case */
    fi;
#endif
    arming--
}

proctype Source() {
end_source: /* where all carriers are busy */
    atomic { !event -> event = true }
}

proctype Clock() {
end_clock:
    do
    :: atomic { armed && !due -> due = true }
    od
}

/* A carrier that nothing done so far will wake. */
#define LIES(c) (in_bed[c] && !notified[c])
#define STILL(c) (LIES(c) || busy[c] || gone[c])
#define IS_BUSY(c) (busy[c])
#define TICKS(c) (LIES(c) && ticks[c])

#define settled (arming == 0 && EACH(STILL))
#define miscounted (settled && (running != SUM(IS_BUSY) || searching != 0))
#define unwatched (settled && SOME(LIES) && SOME(IS_BUSY) && !SOME(TICKS))
#define unpolled (settled && SOME(LIES) && poller == 0 && !SOME(TICKS))

proctype Monitor() {
end_monitor:
    if
    :: atomic { miscounted -> assert(!miscounted) }
    :: atomic { unwatched -> assert(!unwatched) }
    :: atomic { unpolled -> assert(!unpolled) }
    fi
}

init {
    byte i;
    atomic {
#if REST > 0
        poller = 1;
        poller_dozes = true;
        deputy = (REST > 1 -> 2 : 0);
        deputy_dozes = (REST > 1);
        for (i : 0 .. REST - 1) { asleep[i] = true }
#endif
        for (i : 0 .. N - 1) { run Carrier(i) }
#if PUSHERS > 0
        for (i : 1 .. PUSHERS) { run Pusher() }
#endif
#if ARMERS > 0
        run Armer();
#endif
#if EVENTS > 0
        for (i : 1 .. EVENTS) { run Source() }
#endif
#if DEADLINES > 0
        run Clock();
#endif
#ifndef LIVE
        run Monitor();
#endif
        i = 0
    }
}

/* All that came is served. */
#ifdef LIVE
#define IS_EMPTY(c) (queue[c] == 0)
ltl served { <> [] (!event && !armed && injector == 0 && EACH(IS_EMPTY)) }
#endif
