/*
 * extents.pml: page memory changes its page size and its amount while other
 * threads use it (mpool/memory/extents.cc, resizer.cc, balancer.cc, TryTake, TryEvict).
 *
 * One extent of two frames and two page sizes, A and B, of one page each. Both
 * sizes use the same headers. Users take a frame (any frame, because a queue
 * may be stale), load, change and put their page. A balancer drains the extent,
 * retires it and cuts it for the other size. A resizer grows and shrinks the
 * cache by the second frame. One process, with a user and with a balancer or a
 * resizer, is killed at any instant and repaired. pool.pml and images.pml model
 * the bucket, the page latch and before-images: slot and X are one access each
 * here. Every atomic{} is one access to shared memory, except changes of all
 * frames under the extents latch, which repair does again as a whole.
 *
 * Checked:
 *  1. a page in use is in a frame of its size, inside its extent, and has the
 *     bytes of its last put;
 *  2. at the end each put is in a frame that the slot names, or on disk;
 *  3. then no frame is owned; all frames of a cut extent are FREE or VALID and
 *     as many as the cache has; no thread drains; no thread waits forever.
 *
 * Planted mistakes, by -D:
 *  NOCOMPARE   retires the extent's present frames, not the drained ones
 *  NOCLASS     a thread that takes a frame does not check its size again
 *  OPENFIRST   frames are opened before the extent has them
 *  UNCUTFIRST  the extent is uncut before its frames are retired
 *  NOLATCH     retired without the latch of a cut
 *  LATECACHE   a shrink drains first and publishes the new size last
 *  NORINGS     repair leaves frames RETIRED in an extent that is cut
 *  NORELEASE   repair leaves the dead drainer
 *
 * Sizes: UOPS of each user, UOPSB of the surviving user, BOPS rounds of the
 * balancer, ROPS of the resizer (grow, shrink, ...). KILL: the victim's second
 * thread, 1 balancer, 2 resizer. Run as pool.pml.
 */
#ifndef UOPS
#define UOPS 1
#endif
#ifndef UOPSB
#define UOPSB UOPS      /* of the surviving user */
#endif
#ifndef BOPS
#define BOPS 1
#endif
#ifndef ROPS
#define ROPS 0
#endif
#ifndef KILL
#define KILL 0
#endif
#ifndef FIRSTGROW
#define FIRSTGROW 1       /* the cache starts short */
#endif
#define NF 2
#define NONE 2          /* page sizes: 0 is A, 1 is B */

#define FREE 0
#define LOADING 1
#define VALID 2
#define EVICTING 3
#define RETIRED 4

#define USERA 1         /* thread ids; the victim has USERA and KILL */
#define USERB 2
#define BALANCER 3
#define RESIZER 4
#define REPAIRER 5

#define B(n, w) unsigned n : w
typedef Frame { B(ph, 3); B(own, 3); B(cls, 2); B(key, 2); B(ver, 3);
                bit dirty };
typedef Cut { B(cls, 2); B(n, 2); B(drainer, 3) };

Frame F[NF];
Cut word;
B(cache, 2);            /* frames of the cache; frames that may have memory */
B(backed, 2);
B(latch, 3);
byte slot[2];          /* frame + 1 of each page */
byte disk[2];
byte put[2];         /* ghosts: the last put; a put in progress */
bit dead, repaired;
byte over;              /* threads that ended */

#define DIES(me) (me == USERA || KILL == 1 && me == BALANCER || \
                  KILL == 2 && me == RESIZER)
#define INSIDE(i, c) (F[i].cls == c && word.cls == c && i < word.n)

inline lock() { atomic { latch == 0 -> latch = me } }
inline unlock() { latch = 0 }
/* FREE -> LOADING; sets took if it succeeds. */
inline take(i) {
  atomic {
    if
    :: F[i].ph == FREE -> F[i].ph = LOADING; F[i].own = me; took = 1
    :: else -> took = 0
    fi }
}
inline giveback(i) { atomic { F[i].ph = FREE; F[i].own = 0 } }
/* TryTake: checks the size again after the CAS, because it may have changed. */
inline trytake(i, c) {
  take(i);
#ifndef NOCLASS
  if
  :: took && F[i].cls != c -> giveback(i); took = 0
  :: else
  fi
#endif
}
/* TryEvict, and the write-back before it; sets took if the frame is FREE. */
inline evict(i) {
  atomic {
    if
    :: F[i].ph == VALID && F[i].own == 0 && F[i].dirty ->
       disk[F[i].key - 1] = F[i].ver; F[i].dirty = 0
    :: else
    fi }
  atomic {
    if
    :: F[i].ph == VALID && F[i].own == 0 && !F[i].dirty ->
       F[i].ph = EVICTING; F[i].own = me; took = 1
    :: else -> took = 0
    fi }
  if
  :: took -> slot[F[i].key - 1] = 0; giveback(i)
  :: else
  fi
}
/* Drains the frames from keep to the extent's old end; sets all if all are
 * drained. */
inline drain(keep) {
  all = 1; i = keep;
  do
  :: i == wn -> break
  :: i < wn && F[i].ph == LOADING && F[i].own == me -> i++
  :: else ->
     trytake(i, wc);
     if
     :: !took -> evict(i);
        if
        :: took -> trytake(i, wc)
        :: else
        fi
     :: else
     fi
     if
     :: !took -> all = 0
     :: else
     fi
     i++
  od
}
inline begindrain() {
  lock();
  atomic {
    if
    :: word.cls == wc && word.n == wn && word.drainer == 0 ->
       word.drainer = me; all = 1
    :: else -> all = 0
    fi }
  unlock()
}
inline undrain() {
  i = 0;
  do
  :: i == NF -> break
  :: i < NF && F[i].ph == LOADING && F[i].own == me -> giveback(i); i++
  :: else -> i++
  od
  lock();
  if
  :: word.drainer == me -> word.drainer = 0
  :: else
  fi
  unlock()
}
inline uncut(keep) {
  atomic {
    word.drainer = 0; word.n = keep;
    if
    :: keep == 0 -> word.cls = NONE
    :: else
    fi }
}
/* Sets all if it succeeds. */
inline retire(keep) {
#ifndef NOLATCH
  lock();
#endif
  if
#ifndef NOCOMPARE
  :: word.cls != wc || word.n != wn -> all = 0
#endif
  :: else ->
#ifdef UNCUTFIRST
     uncut(keep);
#endif
     i = keep;
     do
     :: i >= word.n && i >= wn -> break
     :: else -> F[i].cls = NONE; i++
     od
     i = keep;
     do
     :: i >= word.n && i >= wn -> break
     :: else -> atomic { F[i].ph = RETIRED; F[i].own = 0 } i++
     od
#ifndef UNCUTFIRST
     uncut(keep)
#endif
  fi
#ifndef NOLATCH
  unlock()
#endif
}
inline open(begin, end) {
  i = begin;
  do
  :: i >= end -> break
  :: else ->
     atomic {
       if
       :: F[i].ph == RETIRED -> F[i].ph = FREE
       :: else
       fi }
     i++
  od
}
inline place(begin, end, size) {
  i = begin;
  do
  :: i >= end -> break
  :: else -> F[i].cls = size; i++
  od
}
inline cutfor(c) {
  lock();
  if
  :: word.cls == NONE ->
     place(0, cache, c);
#ifdef OPENFIRST
     open(0, cache);
#endif
     atomic { word.cls = c; word.n = cache }
     open(0, word.n)
  :: else
  fi
  unlock()
}

proctype User(byte me; byte c) {
  byte i, ops;
  bit took;
  {
    do
    :: ops == (me == USERA -> UOPS : UOPSB) -> break
    :: else ->
       if
       :: atomic { slot[c] != 0 -> i = slot[c] - 1 }
          atomic {
            if
            :: F[i].ph == VALID && F[i].own == 0 && F[i].key == c + 1 ->
               F[i].own = me; took = 1
            :: else -> took = 0
            fi }
          if
          :: took ->
             atomic { assert(INSIDE(i, c)); assert(F[i].ver == put[c]) }
             atomic {
               assert(INSIDE(i, c));
               F[i].ver++; put[c]++; F[i].dirty = 1; F[i].own = 0 }
             ops++
          :: else
          fi
       :: slot[c] == 0 ->
          if
          :: i = 0
          :: i = 1
          fi
          trytake(i, c);
          if
          :: took ->
             F[i].key = c + 1;
             atomic {
               if
               :: slot[c] == 0 -> slot[c] = i + 1
               :: else -> F[i].ph = FREE; F[i].own = 0; took = 0
               fi }
          :: else
          fi
          if
          :: took ->
             atomic { assert(INSIDE(i, c)); F[i].ver = disk[c]; F[i].dirty = 0 }
             atomic { F[i].ph = VALID; F[i].own = 0 }
          :: else
          fi
       :: ops++             /* finds no frame, and gives up */
       fi
    od
  } unless { dead && DIES(me) };
  over++
}

proctype Balancer() {
  byte me = BALANCER, i, ops, wc, wn;
  bit took, all;
  {
    do
    :: ops == BOPS -> break
    :: else ->
       ops++;
       atomic { wc = word.cls; wn = cache }
       if
       :: wc == NONE
       :: else ->
          begindrain();
          if
          :: all ->
             drain(0);
             if
             :: all -> retire(0)
             :: else
             fi
             if
             :: !all -> undrain()
             :: else
             fi
          :: else
          fi
       fi
       if
       :: cutfor(0)
       :: cutfor(1)
       fi
    od
  } unless { dead && DIES(BALANCER) };
  over++
}

proctype Resizer() {
  byte me = RESIZER, i, ops, wc, wn;
  bit took, all;
  {
    do
    :: ops == ROPS -> break
    :: else ->
       if
       :: cache == 1 ->
          backed = 2;
          lock();
          if
          :: word.cls != NONE ->
             place(1, 2, word.cls);
#ifdef OPENFIRST
             open(1, 2);
#endif
             word.n = 2;
             open(1, 2)
          :: else
          fi
          cache = 2;
          unlock()
       :: cache == 2 ->
#ifndef LATECACHE
          lock(); cache = 1; unlock();
#endif
          atomic { wc = word.cls; wn = word.n }
          all = 1;
          if
          :: wc != NONE && wn > 1 ->
             begindrain();
             if
             :: all ->
                drain(1);
                if
                :: all -> retire(1)
                :: else
                fi
                if
                :: !all -> undrain()
                :: else
                fi
             :: else
             fi
          :: else
          fi
#ifdef LATECACHE
          lock(); cache = 1; unlock();
#endif
          if
          :: all -> backed = 1
          :: else           /* left to the next thread */
          fi
       fi
       ops++
    od
  } unless { dead && DIES(RESIZER) };
  over++
}

#define OFDEAD(id) (id != 0 && DIES(id))
proctype Repairer() {
  byte me = REPAIRER, i;
  bit took;
  if
  :: dead = 1
  :: over == 4 -> goto done
  fi;
  i = 0;
  do
  :: i == NF -> break
  :: else ->
     if
     :: word.cls != NONE && i < word.n && OFDEAD(F[i].own) ->
        if
        :: F[i].ph == LOADING ->
           F[i].own = me;
           atomic {
             if
             :: F[i].key != 0 && slot[F[i].key - 1] == i + 1 ->
                slot[F[i].key - 1] = 0
             :: else
             fi }
           giveback(i)
        :: F[i].ph == EVICTING ->
           F[i].own = me;
           atomic {
             if
             :: slot[F[i].key - 1] == i + 1 -> F[i].ph = VALID; F[i].own = 0
             :: else -> F[i].ph = FREE; F[i].own = 0
             fi }
        :: F[i].ph == VALID -> F[i].own = 0
        :: else
        fi
     :: else
     fi
     i++
  od
  if
  :: OFDEAD(latch) ->
     latch = me;
     if
     :: word.cls != NONE ->
        place(0, word.n, word.cls);
#ifndef NORINGS
        open(0, word.n)
#endif
     :: else
     fi
     unlock()
  :: else
  fi
#ifndef NORELEASE
  atomic {
    if
    :: OFDEAD(word.drainer) -> word.drainer = 0
    :: else
    fi }
#endif
done:
  repaired = 1
}

/* The checks at the end. */
proctype Auditor() {
  byte i, c;
  atomic {
    over == 4 && repaired;
    assert(latch == 0 && word.drainer == 0);
    assert(word.cls == NONE || word.n >= cache && word.n <= backed);
    i = 0;
    do
    :: i == NF -> break
    :: else ->
       assert(F[i].own == 0);
       if
       :: word.cls != NONE && i < word.n ->
          assert(F[i].cls == word.cls);
          assert(F[i].ph == FREE || F[i].ph == VALID)
       :: else -> assert(F[i].ph != VALID)
       fi
       i++
    od
    c = 0;
    do
    :: c == 2 -> break
    :: else ->
       if
       :: slot[c] == 0 -> assert(disk[c] == put[c])
       :: else ->
          i = slot[c] - 1;
          assert(F[i].ph == VALID && F[i].key == c + 1 && F[i].cls == c);
          assert(F[i].ver == put[c] && (F[i].dirty || disk[c] == put[c]))
       fi
       c++
    od }
}

init {
  atomic {
    word.cls = 0;
    cache = (ROPS > 0 && FIRSTGROW -> 1 : 2);
    word.n = cache; backed = cache;
    F[0].cls = 0;
    F[1].cls = (cache == 2 -> 0 : NONE);
    F[1].ph = (cache == 2 -> FREE : RETIRED);
    run User(USERA, 0); run User(USERB, 1);
    run Balancer(); run Resizer(); run Repairer(); run Auditor()
  }
}
