/* The state word of one virtual thread: core/src/state.rs, with what claims by ticket
 * (wait/timers.rs, wait/readiness/mod.rs, wait/wait_queue.rs) and the two ends of a park (wait/park.rs,
 * sched/carrier.rs).
 *
 * Every transition of the word is one step, as it is there. A life of the record is a number of
 * waits; what each waits for is chosen freely, and it does not go on before it has it, so that a
 * lost wake is a deadlock. Next to the words of the code, with the number of a wait that they
 * compare, everything carries `at`, the wait that it really belongs to: a wait that ends must
 * have had a cause of its own.
 *
 *   Task       the virtual thread and the carriers that it runs on, life after life
 *   Unparker   who is asked to unpark it; and one more unpark, whenever it likes (STRAYS)
 *   Wheel      fires the deadline that is armed, whenever it likes
 *   Armer      arms a deadline for the present wait from outside; may be late
 *   Descriptor gives the event that is watched for
 *   Popper     hands over what a wait inside waits for
 *   Canceller  asks the first life for cancellation
 *   Joiner     one for each life, who has the handle
 *
 * Each scenario in scenarios.toml says:
 *
 *   LIVES, WAITS                       how many, and how many in each
 *   UNPARKS, TIMERS, EVENTS, INSIDES   whether a wait may be for that
 *   STRAYS, ARMERS, CANCELS            how many of these, 0 or 1
 */
#define FREE 0
#define ACTIVE 1
#define PARKED 2
#define COMPLETED 3

/* The word. `wait` is compared; `at` is the truth. */
byte phase, wait, generation = 1, at;
bool permit, woken, woken_inside, cancel, heeds_permit, heeds_cancel, joined, held, engaged;

/* Where the task is. */
bool queued, mounted;

/* Why the present wait may end. */
bool unparked, cancelled;
int fired; /* a bit for each wait */

/* The deadline: `timer_home`, the ticket in the node, the wheel's lock. */
bool timer_home, wheel_locked;
byte timer_generation, timer_wait, timer_at;

/* The watch, under the lock of its slot. */
bool watching;
byte watch_generation, watch_wait, watch_at;

/* What a wait inside waits for: a permit of a semaphore. */
bool list_locked, linked, popped;
byte given, inside_generation, inside_wait;

/* Joiners; who asks for an unpark. */
bool joiner_linked, joiner_told, asked, answered;
byte asked_generation;

/* The caller alone has claimed the task. Within an atomic. */
inline enqueue() {
    assert(phase == ACTIVE && !mounted && !queued);
    queued = true
}

/* `Word::next_wait`, with what it used. */
inline next_wait() {
    assert(at < 31 && (unparked || (fired >> at) & 1 || cancelled));
    phase = ACTIVE;
    heeds_permit = false;
    heeds_cancel = false;
    unparked = false;
    at++;
#ifndef BREAK_1 /* a wait that ends and keeps its number */
    wait++
#endif
}

inline inside_over() {
    phase = ACTIVE;
    woken_inside = false;
    heeds_cancel = false
}

/* `State::unpark`. */
inline unpark(named) {
    atomic {
        if
#ifdef BREAK_2 /* an unpark that does not compare the generation */
        :: phase == ACTIVE || phase == PARKED ->
           unparked = unparked || generation == named;
#else
        :: generation == named && (phase == ACTIVE || phase == PARKED) ->
           unparked = true;
#endif
           if
           :: phase == PARKED && heeds_permit -> next_wait(); enqueue()
           :: else -> permit = true
           fi
        :: else
        fi
    }
}

/* `State::wake`, within an atomic. */
inline wake(named, number, truth) {
    fired = fired | (1 << truth);
    if
#ifdef BREAK_3 /* a claim that does not compare the ticket */
    :: generation == named && (phase == ACTIVE || phase == PARKED) ->
#else
    :: generation == named && wait == number && (phase == ACTIVE || phase == PARKED) ->
#endif
       if
       :: phase == PARKED && heeds_permit -> next_wait(); enqueue()
       :: else -> woken = true
       fi
    :: else
    fi
}

#define is_over(named, number) (generation != named || wait != number || phase == COMPLETED || phase == FREE)

/* `timer::arm`, with a ticket. The lock is held from the first step to the last. */
inline arm(named, number, truth) {
    atomic { !wheel_locked -> wheel_locked = true };
    if
#ifndef BREAK_4 /* a late caller takes the deadline of the present wait away */
    :: timer_home && is_over(named, number)
#endif
    :: timer_home && timer_generation == named && timer_wait == number
    :: else ->
       atomic {
           timer_home = true;
           timer_generation = named;
           timer_wait = number;
           timer_at = truth
       };
#ifndef BREAK_5 /* who arms from outside does not look whether the wait is over */
       if
       :: is_over(named, number) -> timer_home = false
       :: else
       fi
#endif
    fi;
    wheel_locked = false
}

/* `timer::disarm`: what belongs to the present wait stays, if there is one to `keep`. */
inline disarm(keep) {
    if
    :: timer_home ->
       atomic {
           !wheel_locked ->
           timer_home = timer_home && keep && timer_generation == generation && timer_wait == wait
       }
    :: else
    fi
}

inline unwatch(keep) {
    watching = watching && keep && watch_generation == generation && watch_wait == wait
}

#define is_ended (permit || woken || (cancel && !shielded))

/* `commit_park` and the way back to a carrier. */
inline leave() {
#ifdef BREAK_6 /* parked before the switch has saved what there is to save */
    atomic {
        phase = PARKED;
        heeds_permit = true;
        heeds_cancel = !shielded
    };
    mounted = false;
#else
    mounted = false; /* switched out; the rest on the carrier's own stack */
    atomic {
        if
#ifdef BREAK_7 /* a commit that drops a permit which came since */
        :: woken || (cancel && !shielded) ->
#else
        :: is_ended ->
#endif
           next_wait();
           woken = false;
           permit = false;
           enqueue()
        :: else ->
           permit = false;
           phase = PARKED;
           heeds_permit = true;
           heeds_cancel = !shielded
        fi
    };
#endif
    atomic { queued -> queued = false; mounted = true }
}

/* `park::wait_as`. */
inline park(with_deadline) {
    if
    :: atomic { is_ended -> next_wait(); woken = false; permit = false }
    :: else ->
       if
       :: with_deadline -> arm(generation, wait, at)
       :: else
       fi;
       leave()
    fi;
    disarm(true);
    unwatch(true)
}

/* `Queue::wait`: linked under the lock, or had at once; then `wait_inside`. */
inline wait_inside() {
    atomic { !list_locked -> list_locked = true };
    if
    :: given > 0 -> given--; list_locked = false
    :: else ->
       atomic {
           linked = true;
           inside_generation = generation;
           inside_wait = wait;
           list_locked = false
       };
       if
       :: atomic { woken_inside || (cancel && !shielded) -> inside_over() }
       :: else ->
          mounted = false;
          atomic {
              if
              :: woken_inside || (cancel && !shielded) -> inside_over(); enqueue()
              :: else -> phase = PARKED; heeds_cancel = !shielded
              fi
          };
          atomic { queued -> queued = false; mounted = true }
       fi;
       atomic {
           !list_locked ->
           assert(popped || (cancelled && !shielded));
           linked = false;
           popped = false;
       };
#ifndef BREAK_8 /* a second cause that came late is not forgotten */
       woken_inside = false /* end_inside */
#endif
    fi
}

proctype Task() {
    bool shielded, told;
    byte left, life;
next_life:
    atomic { /* `open`, `submit`, the first mount */
        phase = ACTIVE;
        wait = 0;
        held = true;
        engaged = true;
        mounted = true;
        cancelled = false;
        unparked = false;
        left = WAITS;
        life++
    };
    do
    :: left > 0 ->
       if
       :: shielded = false
       :: shielded = true
       fi;
       if
#if UNPARKS > 0
       :: atomic { asked = true; answered = false; asked_generation = generation };
          do
          :: answered -> break
          :: else -> shielded = shielded || cancel; park(false)
          od
#endif
#if TIMERS > 0
       :: true -> park(true)
#endif
#if EVENTS > 0
       :: atomic {
              watching = true;
              watch_generation = generation;
              watch_wait = wait;
              watch_at = at
          };
          park(false)
#endif
#if INSIDES > 0
       :: wait_inside()
#endif
#if CANCELS > 0
       :: life == 1 ->
          shielded = false;
          do
          :: cancel -> break
          :: else -> park(false)
          od
#endif
       fi;
       left--
    :: else -> break
    od;
    shielded = false;
    mounted = false;
    atomic { phase = COMPLETED; told = joined }; /* `complete` */
    disarm(false);
    unwatch(false);
    if
    :: told -> atomic { joiner_linked -> joiner_linked = false; joiner_told = true }
    :: else
    fi;
    told = false;
    atomic { /* `release` of the engagement */
        engaged = false;
        if
        :: !held -> phase = FREE
        :: else
        fi
    };
    atomic {
        phase == FREE -> /* `recycle` and `close` */
        assert((!timer_home || wheel_locked) && !watching && !linked && !queued);
        generation++;
        at++;
        permit = false;
        woken = false;
        woken_inside = false;
        cancel = false;
        joined = false
    };
    if
    :: life < LIVES -> goto next_life
    :: else
    fi
}

proctype Unparker() {
    bool once = (STRAYS > 0);
    byte named;
end_unparker:
    do
    :: atomic { asked -> asked = false; answered = true; named = asked_generation }; unpark(named)
    :: atomic { once -> once = false }; unpark(1)
    od
}

proctype Wheel() {
    byte named, number, truth;
end_wheel:
    do
    :: atomic {
           timer_home && !wheel_locked ->
           wheel_locked = true;
           timer_home = false;
           named = timer_generation;
           number = timer_wait;
           truth = timer_at
       };
       atomic { wake(named, number, truth) };
       wheel_locked = false
    od
}

proctype Armer() {
    byte named, number, truth;
    atomic { /* `State::ticket` */
        if
        :: generation == 1 && (phase == ACTIVE || phase == PARKED) ->
           named = generation;
           number = wait;
           truth = at
        :: else
        fi
    };
    if
    :: named > 0 -> arm(named, number, truth)
    :: else
    fi
}

proctype Descriptor() {
end_descriptor:
    do
    :: atomic { watching -> watching = false; wake(watch_generation, watch_wait, watch_at) }
    od
}

proctype Popper() {
    byte left = LIVES * WAITS;
end_popper:
    do
    :: atomic { left > 0 && !list_locked -> list_locked = true; left-- };
       if
       :: linked ->
          atomic { linked = false; popped = true };
          atomic { /* `State::wake_inside` */
              if
              :: generation == inside_generation && wait == inside_wait ->
                 if
                 :: phase == PARKED -> inside_over(); enqueue()
                 :: else -> woken_inside = true
                 fi
              :: else
              fi
          }
       :: else -> given++
       fi;
       list_locked = false
    od
}

/* `State::cancel`. */
proctype Canceller() {
    atomic {
        phase != FREE || generation > 1;
        if
        :: generation == 1 && (phase == ACTIVE || phase == PARKED) ->
#ifndef BREAK_9 /* a cancel that finds the task awake is not recorded */
           cancel = true;
#endif
           cancelled = true;
           if
           :: phase == PARKED && heeds_cancel ->
              cancel = true;
              if
              :: heeds_permit -> next_wait()
              :: else -> inside_over()
              fi;
              enqueue()
           :: else
           fi
        :: else
        fi
    }
}

/* `Runtime::join`: of the life that has begun. */
proctype Joiner(byte named) {
    bool waits;
    generation == named && phase != FREE;
    atomic { /* under the lock of `joiners` */
        if
        :: phase != COMPLETED -> joined = true; joiner_linked = true; waits = true
        :: else
        fi
    };
    if
    :: waits -> atomic { joiner_told -> joiner_told = false }
    :: else
    fi;
    assert(generation == named && phase == COMPLETED && !mounted);
    atomic { /* `release` of the handle */
        held = false;
        if
        :: !engaged -> phase = FREE
        :: else
        fi
    }
}

init {
    byte i;
    atomic {
        run Task();
        for (i : 1 .. LIVES) { run Joiner(i) }
        run Unparker();
        run Wheel();
#if EVENTS > 0
        run Descriptor();
#endif
#if INSIDES > 0
        run Popper();
#endif
#if ARMERS > 0
        run Armer();
#endif
#if CANCELS > 0
        run Canceller();
#endif
        i = 0
    }
}
