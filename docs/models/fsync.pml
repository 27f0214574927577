/*
 * fsync.pml: failed writes of one file, fsync by two processes, and death
 * (mpool/write/file_sync.cc, syncer.cc, evictor.cc, frame_repair.cc).
 *
 * Processes A and B have one descriptor and one syncer each. A worker puts the
 * page, writes it out, evicts it and takes X. The worker belongs to A, or with
 * ALONE to process D. A and B may be killed at any instant, or with ALONE D.
 * Process C attaches when A, B and D have ended. Page p is always in frame p.
 * The latch, the ledger, the hash and images are in pool.pml and images.pml: X
 * is taken in one access here, and a put loads, changes and releases its page
 * in one. Every atomic{} is one access to shared memory or one step of the
 * kernel, with two exceptions: a write's end also raises the count, and C runs
 * alone.
 *
 * Linux, for one inode:
 *  - pwrite makes the page dirty in the page cache. The kernel may write it at
 *    any time. A failed write leaves it clean: no later fsync writes it again.
 *  - The inode has an error sequence with a SEEN bit. A descriptor samples the
 *    sequence at open: its value if SEEN is set, else the value before errors.
 *  - fsync writes dirty pages. It reports an error if the sequence differs from
 *    the sample; then it sets SEEN and the sample.
 *  - Without any descriptor the kernel may forget the inode and its sequence.
 *
 * Checked:
 *  1. if a Sync says Ok, every page that was put before that Sync is on disk.
 *     Excused: a page that left the pool before its process was killed, if the
 *     kernel forgot the inode after that.
 *  2. no Sync says Ok if a syncer was told an error before that Sync, and no
 *     call has reported it.
 *  3. no process waits forever.
 *  4. without new errors the third Sync says Ok, if no page was lost.
 *
 * Planted mistakes, by -D:
 *  NOMARK      no word records that an fsync is in progress
 *  FORGIVE     repair clears the mark of a dead syncer and does nothing else
 *  EARLYMARK   a failed fsync sets the error and ends before pages are dirty
 *  NOREDIRTY   a failed fsync leaves its pages clean
 *  NOFLIGHT    a failed fsync leaves pages clean that are in flight
 *  NOEVICTING  a failed fsync skips frames that are EVICTING
 *  CLEARANY    a good fsync clears an error that is younger than its writes
 *  NEWSEQ      clearing an error resets its sequence
 *  UNLOST      a second error forgets that the first one lost a page
 *  NOCOMPARE   a good fsync covers pages that were written during it
 *  INFLIGHT    a good fsync covers writes that were in flight
 *  RESET       a good fsync sets the count of evicted pages to zero
 *  LATECOUNT   an evicted page counts after its frame is FREE
 *  DROPPED     a page that repair drops does not count
 *  STALEDROP   repair drops a page that became dirty after repair checked it
 *  TOLD        the error of a dead syncer counts as told
 *  CLOSED      a descriptor is closed without an fsync through it
 *  REUSED      an entry is used again while its writes are not synced
 *  TRUST       repair leaves unsynced pages clean
 *  NOSEQ       a Sync ignores that pages became dirty after it wrote its own
 *  EARLYSEQ    repair counts before the pages are dirty
 *  LATEREPAIR  a Sync through a new descriptor does not repair first
 * TRUST, NOSEQ, EARLYSEQ and LATEREPAIR are harmless with FORGETS=0.
 *
 * Sizes: NP pages, PUTS puts in WOPS steps of the worker, SYNCS of a syncer and
 * SYNCSA of A's, ERRS failed writes, KILLS. HOLD: the worker takes X. CLOSES:
 * A and B close the file when they end. FRESH: A and B open their descriptors
 * during a Sync, at their first write or before the fsync. Run as pool.pml.
 */
#ifndef NP
#define NP 1
#endif
#ifndef WOPS
#define WOPS 3
#endif
#ifndef PUTS
#define PUTS 1
#endif
#ifndef SYNCS
#define SYNCS 1
#endif
#ifndef SYNCSA
#define SYNCSA SYNCS
#endif
#ifndef ERRS
#define ERRS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef FORGETS
#define FORGETS 1       /* the kernel forgets an inode that is not open */
#endif
#define CALM 3          /* Syncs of C without new errors */

#define A 0             /* processes; the syncer of process i is thread i + 1 */
#define B 1
#define C 2
#define D 3
#define WORKER 4
#define REPAIRER 5      /* in B; 1 more is in A, if B is killed */
#ifdef ALONE
#define HOME D          /* process of the worker */
#else
#define HOME A
#endif
#define PROCESS(t) (t == WORKER -> HOME : (t == REPAIRER -> B : \
                    (t == REPAIRER + 1 -> A : t - 1)))
#define DEAD(t) (t != 0 && dead[PROCESS(t)])

#define FREE 0
#define VALID 1
#define EVICTING 2      /* also LOADING, owned by a repairer */
#define POISONED 3

#define BITS(n, w) unsigned n : w
typedef Frame { BITS(ph, 2); BITS(own, 3); BITS(io, 3); BITS(version, 3);
                bit x, dirty, writing, unsynced, unslotted };
typedef Error { BITS(seq, 4); bit set, told, lost };

Frame F[NP];
/* The file's shared entry. */
byte writes, seen, synced, evicted, covered;
Error sticky;
byte mark;              /* thread */

/* The kernel: versions of pages, and the error sequence. */
byte cache[NP], disk[NP];
bit cached[NP];         /* dirty in the page cache */
byte eseq, errors;
bit eseen, calm;
bit has[4];             /* descriptors */
byte sample[4];

/* Ghosts, and the region's state of processes. */
byte put[NP], excused[NP];
byte told, reported;    /* errors: by the kernel to syncers; by calls */
bit killed[4], ended[4];
bit dead[4];            /* killed and not repaired */
#define ANYDEAD (dead[A] || dead[B] || dead[D])
bit asked[3];           /* for repair */
#define NODESCRIPTOR (!has[A] && !has[B] && !has[C] && !has[D])

inline seterror() {
  errors++;
  if
  :: eseen || eseq == 0 -> eseq++; eseen = 0
  :: else
  fi
}
inline writeback(p) {
  if
  :: disk[p] = cache[p]
  :: errors < ERRS && !calm -> seterror()
  fi
  cached[p] = 0
}
/* A good write is made by the first fsync that needs it. */
proctype Kernel() {
  byte i;
end:
  do
  :: atomic { cached[0] && errors < ERRS && !calm -> seterror(); cached[0] = 0 }
#if NP > 1
  :: atomic { cached[1] && errors < ERRS && !calm -> seterror(); cached[1] = 0 }
#endif
  :: atomic {
       FORGETS && NODESCRIPTOR && (eseq != 0 || cached[0] || cached[NP - 1]) ->
       do
       :: i == NP -> i = 0; break
       :: else ->
          if
          :: cached[i] -> writeback(i)
          :: else
          fi;
          if
          :: (killed[A] || killed[B] || killed[D]) && disk[i] < put[i] &&
               (F[i].ph != VALID || F[i].x) -> excused[i] = put[i]
          :: else
          fi;
          i++
       od
       eseq = 0; eseen = 0 }
  od
}

#define CANWRITE(p) (F[p].ph == VALID && F[p].dirty && !F[p].writing && !F[p].x)
#define CANTAKE(p) (F[p].ph == VALID && !F[p].dirty && !F[p].writing && !F[p].x)
#define NEXTVERSION(p) F[p].version = (F[p].version + 1) % 8
inline begin(p) {
  F[p].dirty = 0; F[p].writing = 1; F[p].io = t; copy = put[p]
}
/* REQUIRES: the frame is WRITING, owned by t. */
inline writeout(p) {
  writes++;
  atomic { cache[p] = copy; cached[p] = 1; copy = 0 }
  atomic { seen++; F[p].writing = 0; F[p].unsynced = 1; F[p].io = 0 }
}
inline free(p) {
  F[p].ph = FREE; F[p].own = 0; F[p].dirty = 0; F[p].unsynced = 0;
  F[p].unslotted = 0; NEXTVERSION(p)
}

inline setsticky(is_told) {
  sticky.seq++; sticky.set = 1; sticky.told = is_told;
#ifdef UNLOST
  sticky.lost = lost;
#else
  sticky.lost = sticky.lost || lost;
#endif
  if
  :: !DEAD(mark) -> reported = told
  :: else
  fi
}
/* A failed fsync, by this thread (told) or by a dead one. */
inline fail(is_told) {
#ifdef EARLYMARK
  atomic { setsticky(is_told); mark = 0 }
#endif
  do
  :: atomic {
       if
#ifndef NOREDIRTY
       :: F[q].ph == VALID && F[q].unsynced ->
          F[q].unsynced = 0; F[q].dirty = 1
#endif
#ifndef NOFLIGHT
       :: F[q].ph == VALID && !F[q].unsynced && F[q].writing -> F[q].dirty = 1
#endif
#ifndef NOEVICTING
       :: F[q].ph == EVICTING && F[q].unsynced -> lost = 1
#endif
       :: else
       fi;
       q++;
       if
       :: q == NP -> q = 0; break
       :: else
       fi }
  od;
  atomic { lost = lost || evicted > covered; setsticky(is_told); lost = 0 }
}

/* REQUIRES: the frame is EVICTING or LOADING, owned by t. */
inline finish(p) {
  if
  :: F[p].unsynced -> evicted++
  :: else
  fi;
  atomic {
    if
    :: F[p].unslotted -> free(p)
    :: else -> F[p].ph = VALID; F[p].own = 0
    fi }
}
inline repairframe() {
  atomic {
    if
    :: F[q].writing && DEAD(F[q].io) ->
       F[q].writing = 0; F[q].dirty = 1; F[q].io = 0
    :: else
    fi;
    looked = F[q].dirty }
#ifdef STALEDROP
  /* The next access does not check this again. */
  skip;
#endif
  atomic {
#ifndef STALEDROP
    looked = F[q].dirty;
#endif
    if
    :: F[q].x && DEAD(F[q].own) && looked ->
       F[q].x = 0; F[q].dirty = 0; F[q].own = 0; F[q].ph = POISONED
    :: F[q].x && DEAD(F[q].own) && !looked ->
       F[q].x = 0; F[q].ph = EVICTING; F[q].own = t; F[q].unslotted = 1;
#ifdef DROPPED
       F[q].unsynced = 0
#endif
    :: F[q].ph == EVICTING && DEAD(F[q].own) -> F[q].own = t
    :: else
    fi;
    looked = 0 }
  if
  :: F[q].ph == EVICTING && F[q].own == t -> finish(q)
  :: else
  fi
}
/* Repairs all dead processes. The region lets one process repair at a time. */
inline repair() {
  do
  :: q < NP -> repairframe(); q++
  :: atomic { q == NP -> q = 0; break }
  od;
  atomic {
    if
    :: seen != writes && !F[0].writing && !F[NP - 1].writing -> seen = writes
    :: else
    fi }
#ifndef TRUST
#ifdef EARLYSEQ
  sticky.seq++;
#endif
  do
  :: atomic {
       if
       :: F[q].ph == VALID && F[q].unsynced ->
          F[q].unsynced = 0; F[q].dirty = 1
       :: else
       fi;
       q++;
       if
       :: q == NP -> q = 0; break
       :: else
       fi }
  od;
#ifndef EARLYSEQ
  sticky.seq++;
#endif
#endif
  if
  :: DEAD(mark) ->
#ifndef FORGIVE
#ifdef TOLD
     fail(1);
#else
     fail(0);
#endif
#endif
     mark = 0
  :: else
  fi;
  atomic { dead[A] = 0; dead[B] = 0; dead[D] = 0 }
}
proctype Repairer() {
  byte t = REPAIRER, q;
  bit lost, looked;
end:
  do
  :: (asked[A] || asked[B] || asked[C]) && ANYDEAD -> repair()
  od unless { killed[B] };
  atomic { t = REPAIRER + 1; q = 0; lost = 0; looked = 0 }
endA:
  do
  :: (asked[A] || asked[B] || asked[C]) && ANYDEAD -> repair()
  od unless { killed[A] };
  atomic { t = 0; q = 0; lost = 0; looked = 0 }
}

/* Repair runs while a syncer waits for it: fewer states. */
inline ask() {
  asked[i] = 1;
  atomic { !ANYDEAD -> asked[i] = 0 }
}
#define OPEN(i) has[i] = 1; sample[i] = (eseen -> eseq : 0)
/* Repair comes after the open: from then on the kernel forgets nothing. */
inline openfile(i) {
  atomic { OPEN(i) }
#ifndef LATEREPAIR
  ask()
#endif
}

inline writepage(p) {
  do
  :: atomic { F[p].ph == POISONED -> bad = 1; p++; break }
  :: atomic {
       F[p].ph == FREE || F[p].ph == EVICTING || CANTAKE(p) -> p++; break }
  :: atomic {
       CANWRITE(p) -> begin(p);
#ifdef FRESH
       if
       :: !has[i] -> OPEN(i); isnew = 1
       :: else
       fi
#endif
     }
     writeout(p); p++;
     break
  :: atomic {
       F[p].ph == VALID && (F[p].writing && DEAD(F[p].io) ||
         F[p].x && DEAD(F[p].own)) -> skip }
     ask()
  od
}
inline note() {
  do
  :: atomic {
       noted[p] = F[p].ph == VALID && F[p].unsynced;
       version[p] = F[p].version; dirty[p] = F[p].dirty;
       writing[p] = F[p].writing;
       p++;
       if
       :: p == NP -> p = 0; break
       :: else
       fi }
  od
}
inline fsync() {
  atomic {
    if
    :: cached[0] -> writeback(0)
    :: else
    fi;
#if NP > 1
    if
    :: cached[1] -> writeback(1)
    :: else
    fi
#endif
  }
  atomic {
    if
    :: sample[i] == eseq -> good = 1
    :: else -> good = 0; sample[i] = eseq; eseen = 1; told++
    fi }
}
inline cover() {
  do
  :: atomic {
       if
#ifdef NOCOMPARE
       :: F[p].ph == VALID && F[p].unsynced -> F[p].unsynced = 0
#else
       :: noted[p] && F[p].ph == VALID && F[p].unsynced &&
            version[p] == F[p].version && dirty[p] == F[p].dirty &&
            writing[p] == F[p].writing -> F[p].unsynced = 0
#endif
       :: else
       fi;
       p++;
       if
       :: p == NP -> p = 0; break
       :: else
       fi }
  od;
  atomic {
#ifdef RESET
    evicted = 0; covered = 0;
#else
    covered = (covered < e0 -> e0 : covered);
#endif
    if
    :: over && synced < w0 -> synced = w0
    :: else
    fi }
}
/* After a good fsync, with the mark. */
inline settle() {
  atomic {
    if
    :: !sticky.set
    :: sticky.set && sticky.lost -> bad = 1
#ifndef CLEARANY
    :: sticky.set && !sticky.lost && sticky.seq != before_seq -> bad = 1
#endif
    :: sticky.set && !sticky.lost &&
#ifndef CLEARANY
         sticky.seq == before_seq &&
#endif
         1 ->
       if
       :: !sticky.told -> bad = 1; reported = told
       :: else
       fi;
       sticky.set = 0; sticky.told = 0;
#ifdef NEWSEQ
       sticky.seq = 0
#endif
    fi }
}
inline acquire() {
  do
#ifdef NOMARK
  :: break
#else
  :: atomic { mark == 0 -> mark = t; break }
  :: atomic { DEAD(mark) -> skip } ask()
#endif
  od
}
inline release() {
  atomic {
    if
    :: mark == t -> mark = 0
    :: else
    fi }
}
inline sync() {
  atomic {
    bad = 0; before_seq = sticky.seq; before_told = told;
    do
    :: p == NP -> p = 0; break
    :: else -> before[p] = put[p]; p++
    od }
  do
  :: p < NP -> writepage(p)
  :: atomic { p == NP -> p = 0; break }
  od;
#ifdef FRESH
  atomic {
    if
    :: !has[i] -> OPEN(i); isnew = 1
    :: else
    fi }
  if
#ifndef LATEREPAIR
  :: isnew -> ask()
#endif
  :: else
  fi;
  isnew = 0;
#endif
  acquire();
  w0 = seen;
  over = w0 == writes;
#ifdef INFLIGHT
  atomic { w0 = writes; over = 1 }
#endif
  if
  :: over && synced == w0 && !sticky.set -> release()
#ifndef NOSEQ
  :: (!over || synced != w0) && !sticky.set && sticky.seq != before_seq ->
     bad = 1; again = 1; release()
#endif
  :: else ->
     e0 = evicted;
     note();
     fsync();
     if
     :: good -> cover(); settle()
     :: else -> bad = 1; fail(1)
     fi;
     release()
  fi;
  atomic {
    if
    :: again -> again = 0
    :: !again && bad -> reported = (reported < before_told -> before_told : reported)
    :: else ->
       do
       :: p == NP -> p = 0; break
       :: else ->
          assert(disk[p] >= before[p] || excused[p] >= before[p]);
          p++
       od
       assert(reported >= before_told)
    fi;
    forget() }
}
/* Resets locals to equal values, for fewer states. */
inline forget() {
  before_told = 0; before_seq = 0; e0 = 0; w0 = 0; over = 0; good = 0;
  do
  :: p == NP -> p = 0; break
  :: else ->
     before[p] = 0; noted[p] = 0; version[p] = 0; dirty[p] = 0;
     writing[p] = 0; p++
  od
}
/* The last of the process's Syncs was after the worker's end. */
inline closefile() {
  atomic {
    has[i] = 0; sample[i] = 0;
    if
    :: F[0].ph == FREE && F[NP - 1].ph == FREE && NODESCRIPTOR &&
#ifndef REUSED
         synced == writes && !sticky.set && mark == 0 &&
#endif
         1 ->
       writes = 0; seen = 0; synced = 0; evicted = 0; covered = 0;
       sticky.seq = 0; sticky.set = 0; sticky.told = 0; sticky.lost = 0
    :: else
    fi }
}
#define LOCALS \
  byte n, p, q, copy, before_seq, before_told, w0, e0, before[NP], \
       version[NP]; \
  bit again, isnew, bad, over, good, lost, looked, noted[NP], dirty[NP], \
      writing[NP]

proctype Syncer(byte i) {
  byte t = i + 1;
  LOCALS;
  {
#ifndef FRESH
    openfile(i);
#endif
    do
    :: n == (i == A -> SYNCSA : SYNCS) -> break
    :: n < (i == A -> SYNCSA : SYNCS) && ANYDEAD -> ask()
    :: n < (i == A -> SYNCSA : SYNCS) ->
#if defined(CLOSES) && !defined(CLOSED)
       i == B || ended[D];
#endif
       sync(); n++
    od;
#ifdef CLOSES
    closefile()
#endif
  } unless { killed[i] };
  atomic {
    n = 0; p = 0; q = 0; copy = 0; lost = 0; looked = 0; bad = 0; forget();
    ended[i] = 1 }
}

proctype Next() {
  byte i = C, t = C + 1;
  LOCALS;
  atomic {
    ended[A] && ended[B] && ended[D];
    if
    :: ANYDEAD && killed[A] && killed[B] -> repair()
    :: else
    fi;
    openfile(C);
    do
    :: n == 1 + CALM -> break
    :: else ->
       sync();
       if
       :: n > 0 && !bad -> break
       :: else -> n++; calm = 1
       fi
    od;
    assert(n <= CALM || sticky.lost || F[0].ph == POISONED ||
           F[NP - 1].ph == POISONED);
    assert(mark == 0) }
}

proctype Worker() {
  byte t = WORKER, n, p, copy, puts;
  {
#ifdef ALONE
    atomic { OPEN(D) }
#else
    if
    :: has[A]
#ifdef FRESH
    :: atomic { !has[A] -> OPEN(A) }
#endif
    fi;
#endif
    do
    :: n == WOPS -> break
    :: else -> n++;
#if NP > 1
       if
       :: p = 0
       :: p = 1
       fi;
#endif
       if
       :: atomic {
            puts < PUTS && !F[p].x && (F[p].ph == VALID || F[p].ph == FREE) ->
            puts++; put[p]++; F[p].ph = VALID; F[p].dirty = 1; NEXTVERSION(p) }
       :: atomic { CANWRITE(p) -> begin(p) }
          writeout(p)
       :: atomic { CANTAKE(p) -> F[p].ph = EVICTING; F[p].own = t }
          F[p].unslotted = 1;
#ifdef LATECOUNT
          if
          :: F[p].unsynced -> atomic { free(p) } evicted++
          :: else -> atomic { free(p) }
          fi
#else
          finish(p)
#endif
#ifdef HOLD
       :: atomic { CANTAKE(p) -> F[p].x = 1; F[p].own = t }
          atomic { F[p].x = 0; F[p].own = 0 }
#endif
       :: n = WOPS
       fi
    od
  } unless { killed[HOME] };
  atomic { n = 0; p = 0; copy = 0; puts = 0; ended[D] = 1 }
}

/* The kernel closes the descriptors of a dead process. */
inline kill(x) {
  kills++; killed[x] = 1; dead[x] = 1; has[x] = 0; sample[x] = 0;
  if
  :: x != D -> asked[x] = 0
  :: else
  fi
}
proctype Killer() {
  byte kills;
end:
  do
#ifdef ALONE
  :: atomic { kills < KILLS && !ended[D] && !killed[D] -> kill(D) }
#else
  :: atomic { kills < KILLS && !ended[A] && !killed[A] -> kill(A) }
  :: atomic { kills < KILLS && !ended[B] && !killed[B] -> kill(B) }
#endif
  od
}

init {
  atomic {
    run Kernel(); run Worker(); run Syncer(A); run Syncer(B); run Next();
    run Repairer(); run Killer() }
}
