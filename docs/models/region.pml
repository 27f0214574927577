/* Copyright 2026 The mpool authors. Licensed under the Apache License 2.0.
 *
 * region.pml - creation, join, adoption, leaving, removal and repair of a
 * region by three processes, each of which may die before any step of its own.
 *
 * The model has: the register (its name may lead to a new file after a
 * removal), the lock on its byte 0 (gate) and one byte for each slot (life),
 * the descriptor, the segments, the magic word, the slot words with their
 * generation and the claim of a repairer. Death drops all locks at once, as the
 * kernel does, and changes nothing else. Once, a janitor may unlink the segment
 * while it is in use.
 *
 * Properties (assertions, and no invalid end state):
 *   P1 never two creators at once
 *   P2 all attached processes use the same register and the same segment, and
 *      the segment is whole
 *   P3 no process repairs a live slot; one process at a time repairs a dead one
 *   P4 at the end the last opener finds a usable home; after it has left and
 *      removed the region there is no segment, no descriptor and no register;
 *      no slot is lost before
 *   P5 every process ends
 *
 * Known mistakes, each of which must be found (docs/models/README.md):
 *   -DNONAME    the register's name is not checked again under its lock
 *   -DNOHOLDER  creation does not check for held life locks
 *   -DMAGIC     the magic word is written before the segment is whole
 *   -DLATENAME  the segment is created before the descriptor names it
 *   -DDROPFIRST a leaver drops its life lock before the slot turns free
 *   -DLIVEFIRST a joiner marks the slot live before it has the lock
 *   -DNOGEN     a claim is a store, not a CAS on the word that was probed
 *   -DNOHEIR    no process may take the slot of a dead process
 *   -DUNLINK    a remover unlinks the register before descriptor and segment
 */

#define NP 3
#define NS 2
#define REGISTERS 6
#define SEGMENTS 6
#ifndef DEATHS
#define DEATHS 2
#endif

/* Planted mistakes. */
#ifdef NONAME
#define NONAME_ 1
#else
#define NONAME_ 0
#endif
#ifdef NOHOLDER
#define NOHOLDER_ 1
#else
#define NOHOLDER_ 0
#endif
#ifdef MAGIC
#define MAGIC_ 1
#else
#define MAGIC_ 0
#endif
#ifdef LATENAME
#define LATENAME_ 1
#else
#define LATENAME_ 0
#endif
#ifdef DROPFIRST
#define DROPFIRST_ 1
#else
#define DROPFIRST_ 0
#endif
#ifdef LIVEFIRST
#define LIVEFIRST_ 1
#else
#define LIVEFIRST_ 0
#endif
#ifdef NOGEN
#define NOGEN_ 1
#else
#define NOGEN_ 0
#endif
#ifdef NOHEIR
#define NOHEIR_ 1
#else
#define NOHEIR_ 0
#endif
#ifdef UNLINK
#define UNLINK_ 1
#else
#define UNLINK_ 0
#endif

#define FREE 0
#define LIVE 1
#define REPAIRING 2

byte name;                    /* the register under the home's name */
byte registers;               /* made so far */
byte gate[REGISTERS];         /* holder of byte 0, pid + 1 */
byte life[REGISTERS * NS];    /* holder of a slot's byte, pid + 1 */

byte descriptor;              /* the segment that it names, 0 = none */
byte segments;                /* made so far */
bool exists[SEGMENTS];
bool whole[SEGMENTS];         /* formatted, as the magic word states */
bool magic[SEGMENTS];

/* Slot words of the segment in use. */
byte state[NS];
byte generation[NS];
byte repairer[NS];            /* slot + 1 */
byte repairer_generation[NS];
byte dirt[NS];                /* leftovers of a process, for repair */

byte deaths;
byte creators;
byte inside[NP];              /* the segment that a process uses, 0 = out */
byte using[NP];               /* the register */
byte at[NP];                  /* and the slot */
byte mending[NS];             /* processes that repair the slot */
byte done;

#define LOCKED(r, s) (life[(r) * NS + (s)] != 0)
#define HELD(r) (LOCKED(r, 0) || LOCKED(r, 1))

inline drop_all() {
  gate[reg] = (gate[reg] == me + 1 -> 0 : gate[reg]);
  life[reg * NS] = (life[reg * NS] == me + 1 -> 0 : life[reg * NS]);
  life[reg * NS + 1] =
      (life[reg * NS + 1] == me + 1 -> 0 : life[reg * NS + 1]);
}

/* Death before the next step. */
#define MAYDIE \
  if \
  :: skip \
  :: atomic { mortal && deaths < DEATHS -> deaths++; died = true; \
       inside[me] = 0; using[me] = 0; \
       if :: creating -> creators-- :: else fi; \
       if :: mends != NS -> mending[mends]-- :: else fi; \
       drop_all(); goto gone } \
  fi

inline check() {
  d_step {
    n = 0;
    do
    :: n < NP && inside[n] != 0 && n != me ->
         assert(inside[n] == seg && using[n] == reg); n++
    :: n < NP && (inside[n] == 0 || n == me) -> n++
    :: n >= NP -> break
    od;
    assert(whole[seg] && state[slot] == LIVE);
    n = 0
  }
}

/* Claims slot s if it is live and its byte is free, or if its repairer has
 * died; then repairs it. Holds no lock. */
inline repair(s) {
  atomic { was = state[s]; wasgen = generation[s]; wasrep = repairer[s];
           wasrepgen = repairer_generation[s]; claimed = false }
  MAYDIE;
  if
  :: was == LIVE && !LOCKED(reg, s) -> claimed = true
  :: was == REPAIRING && (!LOCKED(reg, wasrep - 1) ||
       generation[wasrep - 1] != wasrepgen || state[wasrep - 1] != LIVE) ->
       claimed = true
  :: else
  fi;
  MAYDIE;
  if
  :: atomic { claimed && (NOGEN_ || (state[s] == was &&
                generation[s] == wasgen && repairer[s] == wasrep &&
                repairer_generation[s] == wasrepgen)) ->
          state[s] = REPAIRING; repairer[s] = slot + 1;
          repairer_generation[s] = generation[slot];
          assert((inside[0] == 0 || at[0] != s) &&
                 (inside[1] == 0 || at[1] != s) &&
                 (inside[2] == 0 || at[2] != s));
          mends = s; mending[s]++; assert(mending[s] == 1) }
     MAYDIE;
     dirt[s] = 0;
     MAYDIE;
     atomic { state[s] = FREE; repairer[s] = 0; repairer_generation[s] = 0;
              mending[s]--; mends = NS }
  :: else
  fi
}

/* Takes a free slot under its byte, or the slot of a dead process, and must
 * then repair that process's leftovers. slot == NS if there is none. */
inline claim() {
  slot = 0;
  do
  :: slot == NS -> break
  :: slot < NS && state[slot] != FREE -> slot++
  :: slot < NS && state[slot] == FREE ->
       MAYDIE;
       if
       :: LIVEFIRST_ ->
          atomic { state[slot] = LIVE; generation[slot]++ }
          MAYDIE;
          life[reg * NS + slot] = me + 1;
          break
       :: atomic { !LIVEFIRST_ && life[reg * NS + slot] == 0 ->
                   life[reg * NS + slot] = me + 1 }
          MAYDIE;
          if
          :: atomic { state[slot] == FREE -> state[slot] = LIVE;
                      generation[slot]++ }
             break
          :: else -> life[reg * NS + slot] = 0; slot++
          fi
       :: else -> slot++
       fi
  od;
  if
  :: slot == NS && !NOHEIR_ -> succeed()
  :: else
  fi
}

inline succeed() {
  slot = 0;
  do
  :: slot == NS -> break
  :: else ->
       MAYDIE;
       atomic { was = state[slot]; wasgen = generation[slot];
                wasrep = repairer[slot];
                wasrepgen = repairer_generation[slot] }
       MAYDIE;
       if
       :: was == FREE || (was == REPAIRING && LOCKED(reg, wasrep - 1) &&
            generation[wasrep - 1] == wasrepgen &&
            state[wasrep - 1] == LIVE) -> slot++
       :: else ->
            if
            :: atomic { life[reg * NS + slot] == 0 ->
                        life[reg * NS + slot] = me + 1 }
               MAYDIE;
               if
               :: atomic { state[slot] == was && generation[slot] == wasgen &&
                    repairer[slot] == wasrep &&
                    repairer_generation[slot] == wasrepgen ->
                    state[slot] = LIVE; generation[slot]++;
                    repairer[slot] = 0; repairer_generation[slot] = 0 }
                  break
               :: else -> life[reg * NS + slot] = 0; slot++
               fi
            :: else -> slot++
            fi
       fi
  od
}

inline create() {
  atomic { creating = true; creators++; assert(creators == 1) }
  if
  :: descriptor != 0 ->
       MAYDIE;
       exists[descriptor] = false
  :: else
  fi;
  d_step { segments++; assert(segments < SEGMENTS); seg = segments }
  MAYDIE;
  if
  :: LATENAME_ -> exists[seg] = true
  :: else -> descriptor = seg
  fi;
  MAYDIE;
  if
  :: LATENAME_ -> descriptor = seg
  :: else -> exists[seg] = true
  fi;
  /* A new segment is zeroed. */
  d_step { state[0] = FREE; state[1] = FREE; generation[0] = 0;
           generation[1] = 0; repairer[0] = 0; repairer[1] = 0;
           repairer_generation[0] = 0; repairer_generation[1] = 0;
           dirt[0] = 0; dirt[1] = 0 }
  if
  :: MAGIC_ -> magic[seg] = true
  :: else
  fi;
  MAYDIE;
  claim();
  assert(slot < NS);
  MAYDIE;
  whole[seg] = true;
  MAYDIE;
  magic[seg] = true;
  atomic { creating = false; creators-- }
}

/* Opens the register's file and locks its byte 0. reg == 0: no such file. */
inline lock_gate(make) {
  do
  :: atomic {
       if
       :: name == 0 && make -> registers++; assert(registers < REGISTERS);
          name = registers
       :: else
       fi;
       reg = name }
     if
     :: reg == 0 -> break
     :: else ->
          MAYDIE;
          atomic { gate[reg] == 0 -> gate[reg] = me + 1 }
          MAYDIE;
          if
          :: NONAME_ || name == reg -> break
          :: else -> gate[reg] = 0
          fi
     fi
  od
}

inline unlock_gate() {
  gate[reg] = 0
}

inline join() {
  seg = descriptor;
  claim();
  if
  :: slot == NS -> skip
  :: else -> atomic { inside[me] = seg; using[me] = reg; at[me] = slot; check() }
  fi
}

inline open() {
  lock_gate(true);
  MAYDIE;
  if
  :: !NOHOLDER_ && HELD(reg) ->
       if
       :: descriptor == 0 || !exists[descriptor] || !magic[descriptor] ->
            slot = NS  /* refused */
       :: else -> join()
       fi
  :: else ->
       if
       :: descriptor != 0 && exists[descriptor] && magic[descriptor] -> join()
       :: else ->
            create();
            atomic { inside[me] = seg; using[me] = reg; at[me] = slot; check() }
       fi
  fi;
  MAYDIE;
  unlock_gate()
}

inline leave() {
  MAYDIE;
  atomic { gate[reg] == 0 -> gate[reg] = me + 1 }
  MAYDIE;
  atomic { inside[me] = 0; using[me] = 0 }
  if
  :: DROPFIRST_ -> life[reg * NS + slot] = 0
  :: else -> state[slot] = FREE
  fi;
  MAYDIE;
  if
  :: DROPFIRST_ -> state[slot] = FREE
  :: else -> life[reg * NS + slot] = 0
  fi;
  MAYDIE;
  unlock_gate()
}

inline remove() {
  lock_gate(false);
  if
  :: reg == 0 -> skip
  :: reg != 0 && HELD(reg) -> unlock_gate()
  :: else ->
       if
       :: UNLINK_ -> MAYDIE; name = 0
       :: else
       fi;
       if
       :: descriptor != 0 ->
            MAYDIE;
            exists[descriptor] = false;
            MAYDIE;
            descriptor = 0
       :: else
       fi;
       MAYDIE;
       name = 0;
       MAYDIE;
       unlock_gate()
  fi
}

proctype Process(byte me; bool mortal) {
  byte reg = 0, seg = 0, slot = NS, mends = NS, n = 0;
  byte was, wasgen, wasrep, wasrepgen;
  bool claimed = false, creating = false, died = false;
  if
  :: open();
     if
     :: slot == NS -> skip
     :: else ->
          MAYDIE;
          dirt[slot] = 0;  /* the predecessor's */
          MAYDIE;
          dirt[slot] = 1;
          check();
          MAYDIE;
          repair(0);
          repair(1);
          atomic { check(); dirt[slot] = 0 }
          leave()
     fi
  :: mortal -> remove()
  fi;
gone:
  done++
}

/* A janitor that cleans /dev/shm. Mappings of the segment stay valid. */
proctype Cleaner() {
  if
  :: skip
  :: atomic { descriptor != 0 && exists[descriptor] ->
              exists[descriptor] = false }
  :: done == NP -> skip
  fi
}

/* The last opener, at the end; it is not killed. */
proctype Last() {
  byte me = 0, reg = 0, seg = 0, slot = NS, mends = NS, n = 0;
  byte was, wasgen, wasrep, wasrepgen;
  bool claimed = false, creating = false, died = false, mortal = false;
  open();
  assert(slot < NS);
  dirt[slot] = 0;
  repair(0);
  repair(1);
  d_step { n = 0;
    do
    :: n < NS -> assert(state[n] == (n == slot -> LIVE : FREE));
       assert(dirt[n] == 0); n++
    :: else -> break
    od;
    n = 0 }
  leave();
  remove();
  d_step {
    assert(name == 0 && descriptor == 0);
    n = 1;
    do
    :: n < SEGMENTS -> assert(!exists[n]); n++
    :: else -> break
    od }
gone:
  skip
}

init {
  atomic { run Process(0, true); run Process(1, true); run Process(2, true);
           run Cleaner() }
  done == NP;
  run Last()
}
