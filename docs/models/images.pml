/*
 * images.pml: before-images and update groups: the content of a page after its
 * writer died (mpool/page/images.cc, group.cc, putter.cc, frame_repair.cc).
 *
 * Process 1 has three threads and is killed at any instant: an owner, which
 * updates a page or a group of both; a mate, which puts a guard that moved to
 * it; and a flusher. The survivors are another updater, an evictor, two
 * repairers and an heir. The first repairer may be killed at any instant too.
 * The heir gets the dead owner's slot with its images and its id. Page p is
 * always in frame p. pool.pml models the latch, the ledger and the hash: here X
 * is a bit, acquired through XP. Every atomic{} is one access to shared memory,
 * except scans of the slot's images. A copy of bytes passes through TORN.
 *
 * Checked:
 *  1. each thread that may enter a page sees its last put, whole;
 *  2. a group counts from its commit word on, and as a whole (ghost put[]);
 *  3. at the end each put is in a dirty frame or on disk; no frame is owned; no
 *     thread waits forever. No page is lost: each has an image or its file.
 *
 * Planted mistakes, by -D:
 *  IMGFIRST    repair clears the slot's images before the frames
 *  NOCLAIM     the claim of repair is not a CAS: two repairers at once
 *  EARLYSLOT   the slot is free before the frames were swept
 *  LATECOMMIT  the group's committed word is stored after its first put
 *  EARLYCLEAR  the group's word is cleared before its last put
 *  PUTSFIRST   repair puts a group with an open word page by page
 *  WHOLEFIRST  an image is marked whole before its copy is whole
 *  NOVERSION   an image is found by its frame alone
 *  DROPFIRST   a put drops the image before X
 *  LATEDROP    a put clears the ledger entry before it drops the image
 *  LATEIMAGE   the image is announced when X is acquired, not before XP
 *  CLEANIMAGE  no image of a page that is WRITING and not DIRTY
 *  CLEANGROUP  a group keeps no image of a page that is clean
 *  OPENED      repair turns X off before it restored the bytes
 *
 * Sizes: OPS of the owner, HOPS of the heir, COPS of the other updater, EOPS
 * evictions, FOPS write-backs. FLIVE: the flusher survives. MOVE: guards move.
 * Run as pool.pml.
 */
#ifndef OPS
#define OPS 1
#endif
#ifndef HOPS
#define HOPS 0
#endif
#ifndef COPS
#define COPS 0
#endif
#ifndef EOPS
#define EOPS 0
#endif
#ifndef FOPS
#define FOPS 0
#endif
#ifndef KINDS
#define KINDS 1         /* updates of the owner: 1 one page, 2 groups, 3 both */
#endif
#define NP 2
#define NI 2            /* images of the slot: one per page suffices */
#ifdef MOVE
#undef NI
#define NI 3
#endif
#define NOIMAGE NI
#define TORN 15

#define FREE 0
#define LOADING 1
#define VALID 2
#define POISON 3

#define NONE 0          /* steps of an image */
#define ANNOUNCED 1
#define WHOLE 2

#define OPEN 1          /* the slot's group word */
#define COMMITTED 2

#define OWNER 1         /* ids: the slot of the dead, and of its heir */
#define OTHER 2
#define FIRST 3         /* repairers */
#define SECOND 4

#define B(n, w) unsigned n : w
typedef Frame {
  B(st, 2); B(own, 3); bit x; bit xp; bit dirty; bit wr; bit io; B(ver, 4);
  B(data, 4)
};
typedef Image { B(step, 2); bit grp; B(f, 1); B(ver, 4); B(data, 4) };

Frame F[NP];
Image I[NI];
bit entry[NP];          /* the slot's ledger: names the frame exclusively */
byte group, disk[NP], put[NP];
bit dead, rdead, slotfree, repaired;
byte claim;
byte moved, moving;     /* a guard on its way to the mate: page + 1; changed */

#define OPENED_(p) (F[p].st == VALID && !F[p].x && !F[p].xp)
#ifdef CLEANIMAGE
#define NEEDED(p) F[p].dirty
#else
#define NEEDED(p) (F[p].dirty || F[p].wr)
#endif
#define CHANGED(p) F[p].data = TORN; F[p].data = put[p] + 1

/* Find: the whole image of frame p at version v. */
#ifdef NOVERSION
#define IS(i, p, v) (I[i].step == WHOLE && I[i].f == p)
#else
#define IS(i, p, v) (I[i].step == WHOLE && I[i].f == p && I[i].ver == v)
#endif
inline find(p, v) {
  if
#if NI == 3
  :: IS(2, p, v) -> im = 2
  :: !IS(2, p, v) && IS(1, p, v) -> im = 1
  :: !IS(2, p, v) && !IS(1, p, v) && IS(0, p, v) -> im = 0
#else
  :: IS(1, p, v) -> im = 1
  :: !IS(1, p, v) && IS(0, p, v) -> im = 0
#endif
  :: else -> im = NOIMAGE
  fi
}
#define findnow(p) at = F[p].ver; find(p, at); at = 0
inline announce(p) {
  atomic {
    if
    :: I[0].step == NONE -> im = 0
    :: I[0].step != NONE && I[1].step == NONE -> im = 1
#if NI == 3
    :: I[0].step != NONE && I[1].step != NONE && I[2].step == NONE -> im = 2
#endif
    fi }
  atomic { I[im].step = ANNOUNCED; I[im].grp = 0; I[im].f = p }
}
inline keep(p, g) {
#ifdef WHOLEFIRST
  atomic { I[im].ver = F[p].ver; I[im].step = WHOLE; I[im].grp = g }
#endif
  atomic { I[im].ver = F[p].ver;
    if :: I[im].data != F[p].data -> I[im].data = TORN :: else fi }
  atomic { I[im].data = F[p].data; assert(F[p].data == put[p]) }
  atomic { I[im].step = WHOLE; I[im].grp = g }
}
/* PutExclusive: X off, the image dropped, the entry cleared. */
inline release(p, changed) {
  atomic { assert(F[p].x && F[p].own == OWNER); v = F[p].ver;
#ifdef DROPFIRST
    find(p, v)
#endif
  }
#ifdef DROPFIRST
  if :: im != NOIMAGE -> I[im].step = NONE :: else fi;
#endif
  atomic { F[p].x = 0; F[p].own = 0;
    if :: changed -> F[p].dirty = 1; F[p].ver++; put[p] = F[p].data
       :: else fi }
#ifdef LATEDROP
  entry[p] = 0;
#endif
  atomic { find(p, v); v = 0 }
  if :: im != NOIMAGE -> atomic { I[im].step = NONE; im = 0 }
     :: else -> im = 0 fi;
#ifndef LATEDROP
  entry[p] = 0
#endif
}
/* GetForUpdate with an image; sets got. Does not wait for other holders. */
inline get(p) {
  got = 0;
  if
  :: atomic { F[p].st == VALID && !entry[p] -> skip }
#ifndef LATEIMAGE
     announce(p);
#endif
     entry[p] = 1;
     atomic { if :: OPENED_(p) -> F[p].xp = 1; F[p].own = OWNER; got = 1
                 :: else fi }
     if
     :: got -> atomic { F[p].xp = 0; F[p].x = 1 }
     :: got -> atomic { F[p].xp = 0; F[p].own = 0; got = 0 } /* gives up */
     :: !got
     fi;
#ifdef LATEIMAGE
     if :: got -> announce(p) :: else fi;
#endif
     if
     :: got -> dirty = NEEDED(p);
        if :: dirty -> dirty = 0; keep(p, 0)
           :: else -> I[im].step = NONE fi
     :: else -> entry[p] = 0;
#ifndef LATEIMAGE
        I[im].step = NONE
#endif
     fi
  :: atomic { F[p].st == FREE -> F[p].st = LOADING; F[p].own = OWNER }
     F[p].data = disk[p]; entry[p] = 1;
     atomic { F[p].st = VALID; F[p].x = 1; got = 1 }
  :: atomic { !(F[p].st == VALID && !entry[p]) && F[p].st != FREE -> skip }
  fi;
  im = 0
}
/* For the group's own pages: every member has a whole, marked image. */
inline member(p) {
  atomic { findnow(p) }
#ifdef CLEANGROUP
  if :: im == NOIMAGE -> skip :: else -> keep(p, 1) fi;
#else
  if :: im == NOIMAGE -> announce(p) :: else fi;
  keep(p, 1);
#endif
  atomic { gi[p] = im; in[p] = 1; im = 0 }
}
inline committed() {
  atomic { group = COMMITTED;
#ifndef LATECOMMIT
    if :: in[0] -> put[0] = F[0].data :: else fi;
    if :: in[1] -> put[1] = F[1].data :: else fi
#endif
  }
}
/* A member's put in a commit; the commit word already counted it. */
inline finish(p) {
  in[p] = 0;
#ifdef LATECOMMIT
  if :: group != COMMITTED ->
    atomic { put[p] = F[p].data;
      if :: in[1 - p] -> put[1 - p] = F[1 - p].data :: else fi } :: else fi;
#endif
#ifdef EARLYCLEAR
  if :: !in[0] && !in[1] -> group = 0 :: else fi;
#endif
  release(p, 1)
#ifdef LATECOMMIT
  ; if :: group != COMMITTED -> group = COMMITTED :: else fi
#endif
}
inline undo(p) {
  if :: F[p].data != I[gi[p]].data -> F[p].data = TORN :: else fi;
  F[p].data = I[gi[p]].data; in[p] = 0;
  release(p, 0)
}

proctype Owner(bit heir; byte n) {
  byte im, v, at, p, gi[NP];
  bit got, dirty, in[NP];
end:
  slotfree == heir;
  {
    do
    :: n > 0 && (KINDS & 1) -> n--;             /* one page */
       if :: p = 0 :: p = 1 fi;
       get(p);
       if
       :: got -> got = 0;
          if
          :: CHANGED(p); release(p, 1)
          :: release(p, 0)
#ifdef MOVE
          :: atomic { moved == 0 -> moving = 0; moved = p + 1 }
          :: atomic { moved == 0 -> F[p].data = TORN } F[p].data = put[p] + 1;
             atomic { moving = 1; moved = p + 1 }
#endif
          fi
       :: else
       fi;
       p = 0
    :: n > 0 && (KINDS & 2) -> n--;             /* a group */
       if :: p = 0 :: p = 1 fi;
       group = OPEN;
       get(p);
       if :: got -> got = 0; member(p); p = 1 - p;
             get(p);
             if :: got -> got = 0; member(p) :: else fi
          :: else fi;
       p = 0;
       if :: in[0] -> CHANGED(0) :: else fi;
       if :: in[1] -> CHANGED(1) :: else fi;
       if
       :: skip ->
#ifndef LATECOMMIT
          committed();
#endif
          if :: in[0] -> finish(0) :: else fi;
          if :: in[1] -> finish(1) :: else fi
       :: skip ->
          if :: in[0] -> undo(0) :: else fi;
          if :: in[1] -> undo(1) :: else fi
       fi;
       gi[0] = 0; gi[1] = 0;
       group = 0
    :: n == 0 -> break
    od
  } unless { dead && !heir }
}

#ifdef MOVE
proctype Mate() { byte im, v, p; bit c;
end:
  do
  :: atomic { !dead && moved != 0 -> p = moved - 1; c = moving; moved = 0;
       moving = 0 }
     { if :: c -> release(p, 1) :: else -> release(p, 0) fi } unless { dead };
     p = 0; c = 0
  od }
#endif

proctype Flusher() { byte n = FOPS, p, buf;
  {
    do
    :: if
       :: atomic { n > 0 && F[0].dirty -> p = 0; F[0].io = 1; n-- }
       :: atomic { n > 0 && F[1].dirty -> p = 1; F[1].io = 1; n-- }
       fi;
       atomic { if                      /* in the shared latch */
         :: F[p].st == VALID && !F[p].x && F[p].dirty ->
            F[p].dirty = 0; F[p].wr = 1; buf = F[p].data
         :: else fi }
       if :: F[p].wr -> disk[p] = TORN;
             if :: disk[p] = buf; F[p].wr = 0
                :: atomic { F[p].wr = 0; F[p].dirty = 1 }
             fi
          :: else fi;
       atomic { F[p].io = 0; buf = 0; p = 0 }
    :: break
    od
  }
#ifndef FLIVE
  unless { dead }
#endif
}

proctype Other() { byte n = COPS, p;
  do
  :: n > 0 -> n--;
     if :: p = 0 :: p = 1 fi;
     if
     :: atomic { OPENED_(p) -> F[p].x = 1; F[p].own = OTHER;
          assert(F[p].data == put[p]) }
        F[p].data = TORN;
        atomic { assert(F[p].x && F[p].own == OTHER && F[p].data == TORN);
          put[p]++; F[p].data = put[p]; F[p].x = 0; F[p].own = 0;
          F[p].dirty = 1; F[p].ver++ }
     :: atomic { F[p].st == FREE -> F[p].st = VALID; F[p].data = disk[p] }
     :: skip
     fi;
     p = 0
  :: n == 0 -> break
  od }

proctype Evictor() { byte n = EOPS;
  do
  :: atomic { n > 0 && OPENED_(0) && !F[0].dirty && !F[0].wr ->
       F[0].st = FREE; F[0].ver++; n-- }
  :: atomic { n > 0 && OPENED_(1) && !F[1].dirty && !F[1].wr ->
       F[1].st = FREE; F[1].ver++; n-- }
  :: break
  od }

inline clearimages() {
  I[0].step = NONE; I[1].step = NONE;
#if NI == 3
  I[2].step = NONE;
#endif
  group = 0
}
#define NAMES(i, p) (I[i].step == ANNOUNCED && I[i].f == p)
#if NI == 3
#define KNOWN(p) (NAMES(0, p) || NAMES(1, p) || NAMES(2, p))
#else
#define KNOWN(p) (NAMES(0, p) || NAMES(1, p))
#endif
#define OFF(p) F[p].x = 0; F[p].own = 0; F[p].ver++

inline drop(p) {        /* through LOADING, owned by the repairer */
  atomic { F[p].x = 0; F[p].st = LOADING; F[p].own = me }
  atomic { F[p].st = FREE; F[p].own = 0; F[p].ver++ }
}
inline restore(p) {
#ifdef OPENED
  atomic { OFF(p) }
#endif
  if :: F[p].data != I[im].data -> F[p].data = TORN :: else fi;
  F[p].data = I[im].data
#ifndef OPENED
  ; atomic { OFF(p) }
#endif
}
inline owned(p) {
  if
  :: atomic { F[p].xp -> F[p].xp = 0; F[p].own = 0 }
  :: atomic { !F[p].xp && F[p].x -> findnow(p) }
     if
     :: im == NOIMAGE ->
        if
        :: atomic { KNOWN(p) -> skip } atomic { OFF(p) }
        :: atomic { !KNOWN(p) -> skip }
           if :: atomic { F[p].dirty || F[p].wr -> F[p].st = POISON; OFF(p) }
              :: atomic { !F[p].dirty && !F[p].wr -> skip } drop(p)
           fi
        fi
     :: else ->
#ifdef PUTSFIRST
        if :: I[im].grp ->
#else
        if :: I[im].grp && group == COMMITTED ->
#endif
              atomic { F[p].dirty = 1; OFF(p) }
           :: else -> restore(p) fi
     fi;
     im = 0
  :: atomic { !F[p].xp && !F[p].x && F[p].st == LOADING -> skip } drop(p)
  :: atomic { !F[p].xp && !F[p].x && F[p].st != LOADING -> skip }
  fi
}

#ifdef NOCLAIM
#define UNREPAIRED (dead && !repaired)
#else
#define UNREPAIRED (dead && !repaired && (claim == 0 || (claim == FIRST && rdead)))
#endif
proctype Repairer(byte me) { byte p, im, at;
end:
  atomic { UNREPAIRED -> claim = me }
  {
    /* The threads of the dead still have slots that are not free. */
    if :: slotfree -> goto freed :: else fi;
#ifdef EARLYSLOT
    slotfree = 1;
#endif
    entry[0] = 0; entry[1] = 0;
#ifdef IMGFIRST
    clearimages();
#endif
    do
    :: p < NP ->
#ifndef FLIVE
       if :: F[p].io -> 
         atomic { if :: F[p].wr -> F[p].wr = 0; F[p].dirty = 1 :: else fi }
         F[p].io = 0 :: else fi;
#endif
       if :: atomic { F[p].own == OWNER || (F[p].own == FIRST && rdead) -> skip }
             owned(p)
          :: atomic { !(F[p].own == OWNER || (F[p].own == FIRST && rdead)) -> p++ }
             goto next
       fi;
       p++;
next:  skip
    :: else -> break
    od;
    clearimages();
freed:
    slotfree = 1;
    atomic { repaired = 1; claim = 0; p = 0 }
  } unless { rdead && me == FIRST }
}

proctype Killer() {
end:
  if :: atomic { !repaired -> dead = 1 } :: skip fi;
  if :: atomic { claim == FIRST -> rdead = 1 } :: skip fi }

/* True if a page may be entered and differs from its last put. */
proctype Reader() {
end:
  do
  :: atomic { F[0].st == VALID && !F[0].x && F[0].data != put[0] -> assert(0) }
  :: atomic { F[1].st == VALID && !F[1].x && F[1].data != put[1] -> assert(0) }
  :: atomic { F[0].st == POISON || F[1].st == POISON -> assert(0) }
  od }

proctype Checker() { byte p;
  atomic { timeout;
    assert(!dead || repaired);
    assert(group == 0);
    for (p : 0 .. NP - 1) {
      assert(F[p].own == 0 && !F[p].x && !F[p].xp && !F[p].wr && !F[p].io);
      assert(!entry[p]);
      assert(F[p].st == FREE || F[p].st == VALID);
      if :: F[p].st == FREE -> assert(!F[p].dirty && disk[p] == put[p])
         :: else -> assert(F[p].dirty || disk[p] == put[p]) fi }
    for (p : 0 .. NI - 1) { assert(I[p].step == NONE) } } }

init { atomic {
  put[1] = 8; disk[1] = 8;      /* so that the bytes of the pages differ */
  F[0].st = VALID; F[1].st = VALID; F[1].data = 8;
  I[0].data = TORN; I[1].data = TORN;
#if NI == 3
  I[2].data = TORN;
#endif
  disk[0] = TORN; F[0].dirty = 1;       /* page 0 is dirty, page 1 clean */
  run Owner(0, OPS); run Owner(1, HOPS); run Flusher(); run Other();
  run Evictor(); run Repairer(FIRST); run Repairer(SECOND); run Killer();
  run Reader(); run Checker();
#ifdef MOVE
  run Mate()
#endif
} }
