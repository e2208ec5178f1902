/*
 * The switch of applications between the source (MySQL) and the table (DynamoDB), to and fro.
 *
 * Names are those of the code: Route (RouteState), SwitchGates, ForwardSwitch, BackSwitch, Fence, RouteWatch (router), IWriteGate (gate).
 * Time goes on in ticks, at any moment, so every process may stand still for any time between any two of its steps. What runs out is counted down: lease, deadline, wait.
 *
 * Proven, for every order of events:
 *   - a write lands on a side only while that side has everything (never two writers);
 *   - what was acknowledged is on the side that applications work on, always;
 *   - from every state there is a way on, whatever was killed: no end but the intended one.
 *
 * Each of these makes it wrong, and is found:
 *   DRAIN_SHORT    the way back waits for the leases only, not for what was sent
 *   NO_WAIT        a switch without a fence does not wait
 *   FENCE_LATE     the source is fenced after the flip
 *   LEASE_ANSWER   a router counts its lease from the answer, not from the question
 *   OLD_WRITER     a coordinator that was replaced may still change the route
 *   NO_DEADLINE    a request to the table may land however late
 *   STAY_FENCED    a switch that is undone leaves the source fenced, and calls that go there never end
 *   SAID_BUSY      a router says that its writes wait while one is under way
 *   SAID_STALE     a router says so, and then goes by an answer that was given before
 *   SAID_LATE      a router makes itself known after it has asked, and goes by that answer
 *   SAID_ONCE      a router that was silent during a drain does not make itself known again
 *   FORGET_ANY     a router that was silent is forgotten though it has said something since
 */
#ifndef L
#define L 2   /* lease of a route */
#endif
#define D 1   /* longest attempt of a write, from the gate on */
#ifndef WRITES
#define WRITES 1  /* of each router */
#endif
#define CRASHES 1 /* coordinators that are replaced */
#ifndef FLIPS
#define FLIPS 2   /* an operator begins no more switches when so many are made */
#endif
#ifdef NO_FENCE   /* -Fence None: every application goes through a router */
#define Fences false
#define Wait (L + D + 1)    /* RouteTimes.UntilNothingLands */
#define Lands (deadline[id] > 0)
#else
#define Fences true
#define Wait L              /* RouteTimes.UntilNobodyBegins */
#define Lands true          /* a COMMIT that was sent may come to the source however late */
#endif

mtype = { MySql, Draining, DynamoDb };          /* RouteState; Shadow is MySql to all that is said here */
mtype state = MySql;
mtype backend = MySql;                          /* the side that accepts calls; while draining, the side that did */
mtype goal = DynamoDb;                          /* what the operator wants */

byte lease[2], deadline[2];                      /* of each router */
byte wait[2];                                   /* of each coordinator */
byte holder = 0;                                /* of the lease SWITCH: number of the coordinator */
bool fenced = false;                            /* the source refuses applications */
bool listed[2];                                 /* ROUTER#id stands in the control table */
bool silent[2];                                 /* RouterItem.Epoch is before the last drain, and so is what the router knows: that drain was without its word */
bool another[2];                                /* the drain that the router has seen is not the last one */
byte source = 0, table = 0, acknowledged = 0;   /* sets of writes, a bit each */
byte flips = 0, crashes = 0;

#define Accepts (state != Draining)
#define AllSay ((listed[0] || listed[1]) && !(listed[0] && silent[0]) && !(listed[1] && silent[1]))
#define Safe ((backend == MySql && (acknowledged & source) == acknowledged) || (backend == DynamoDb && (acknowledged & table) == acknowledged))

active proctype clock()
{
end:
  do
  :: atomic {
       lease[0] > 0 || lease[1] > 0 || deadline[0] > 0 || deadline[1] > 0 || wait[0] > 0 || wait[1] > 0 ->
       if :: lease[0] > 0 -> lease[0]-- :: else fi;
       if :: lease[1] > 0 -> lease[1]-- :: else fi;
       if :: deadline[0] > 0 -> deadline[0]-- :: else fi;
       if :: deadline[1] > 0 -> deadline[1]-- :: else fi;
       if :: wait[0] > 0 -> wait[0]-- :: else fi;
       if :: wait[1] > 0 -> wait[1]-- :: else fi
     }
  od
}

/* RouteWatch and RouterPresence, and the writers behind them. */
proctype router(byte id)
{
  mtype seen = Draining;
  byte writes = 0, mask;
  bool isKnown = false;
  do
  :: writes == WRITES -> break
#ifndef SAID_LATE
  :: atomic { writes < WRITES && !isKnown -> silent[id] = (state == Draining) };      /* it makes itself known, as of a route that was asked for before that */
     atomic { listed[id] = true; isKnown = true }
  :: atomic { writes < WRITES && isKnown -> lease[id] = L };     /* it asks: the lease counts from here */
#else
  :: atomic { writes < WRITES -> lease[id] = L };
#endif
     atomic {
       seen = (state == Draining -> Draining : backend); another[id] = false;
#ifndef SAID_ONCE
       if :: seen != Draining && isKnown && silent[id] -> seen = Draining; isKnown = false :: else fi     /* a drain was without its word: it may be forgotten */
#endif
     };
#ifdef LEASE_ANSWER
     lease[id] = L;                              /* the answer has come, some time after it was given */
#endif
#ifdef SAID_LATE
     if
     :: atomic { !isKnown -> silent[id] = false; listed[id] = true; isKnown = true }
     :: isKnown
     fi;
#endif
#ifdef SAID_STALE
     if
     :: atomic { seen != Draining && state == Draining -> listed[id] = true; silent[id] = false }
     :: true
     fi;
#endif
     if
     :: atomic { seen == Draining && isKnown -> listed[id] = true; silent[id] = another[id] }       /* nothing of it is under way: it says that its writes wait */
     :: atomic { seen == Draining || lease[id] == 0 -> seen = Draining }                            /* waits, and asks again */
     :: atomic { seen != Draining && lease[id] > 0 -> deadline[id] = D + 1; mask = 1 << (id * WRITES + writes) };     /* the gate: from here on an attempt has D */
        if
        :: seen == MySql ->
           if                                    /* COMMIT: the fence refuses it, or it lands, or its outcome is never known */
           :: fenced -> skip
           :: atomic { !fenced && Lands ->
                 assert(backend == MySql);
                 source = source | mask; acknowledged = acknowledged | mask; writes++;
                 assert(Safe) }
           :: deadline[id] == 0 -> skip
           fi
        :: seen == DynamoDb ->
#ifdef SAID_BUSY
           if
           :: atomic { state == Draining -> silent[id] = false }
           :: true
           fi;
#endif
           if
#ifdef NO_DEADLINE
           :: atomic { true ->
#else
           :: atomic { deadline[id] > 0 ->
#endif
                 assert(backend == DynamoDb);
                 table = table | mask; acknowledged = acknowledged | mask; writes++;
                 assert(Safe) }
           :: deadline[id] == 0 -> skip          /* reset: it does not arrive */
           fi
        fi;
        atomic { deadline[id] = 0; seen = Draining; mask = 0 }
     fi
  od;
  atomic { lease[id] = 0; listed[id] = false; silent[id] = false; another[id] = false }     /* it is closed */
}

/* A coordinator: whoever runs Switch-BillingBackend. Every step looks at the lease where it takes effect: in the transaction that changes the route, over the connection that has the server's lock. */
#ifdef OLD_WRITER
#define Mine true
#else
#define Mine (holder == me)
#endif
#define LetWait(most) if :: Accepts -> silent[0] = true; silent[1] = true; another[0] = true; another[1] = true; state = Draining :: else fi; wait[me] = most

/* DrainWait: until every router that is listed says that its writes wait, or none can write any more; those that said nothing are forgotten. */
inline drainWait()
{
  if
  :: atomic { AllSay -> wait[me] = 0 }
#ifdef FORGET_ANY
  :: atomic { wait[me] == 0 -> found[0] = silent[0]; found[1] = silent[1] };
     atomic { if :: Mine -> listed[0] = listed[0] && !found[0]; listed[1] = listed[1] && !found[1] :: else fi; found[0] = false; found[1] = false }
#else
  :: atomic { wait[me] == 0 -> if :: Mine -> listed[0] = listed[0] && !silent[0]; listed[1] = listed[1] && !silent[1] :: else fi }
#endif
  fi
}

proctype coordinator(byte me)
{
#ifdef FORGET_ANY
  bool found[2];
#endif
start:
  /* What it finds decides where it goes on: each step may be made again. */
  if
  :: holder != me -> goto gone
  :: else
  fi;
  if
  :: goal == DynamoDb && backend == MySql -> goto forward
  :: goal == MySql && backend == DynamoDb -> goto back
  :: else -> goto stay                          /* done, or undone before it came so far */
  fi;

forward:
  atomic { if :: Mine && backend == MySql -> LetWait(Wait + 1) :: else -> goto gone fi };
#ifndef NO_WAIT
  drainWait();
#endif
#ifndef FENCE_LATE
  atomic { if :: Mine -> fenced = Fences :: else -> goto gone fi };
#endif
  atomic { if :: Mine && state == Draining && backend == MySql -> table = table | source :: else -> goto gone fi };    /* Sync, to the fence position */
  atomic { if :: Mine && state == Draining && backend == MySql ->
       backend = DynamoDb; state = DynamoDb; flips++; assert(Safe)
     :: else -> goto gone
     fi };
#ifdef FENCE_LATE
  atomic { if :: Mine -> fenced = true :: else -> goto gone fi };
#endif
  goto stay;

back:
#ifdef DRAIN_SHORT
  atomic { if :: Mine && backend == DynamoDb -> LetWait(L) :: else -> goto gone fi };
#else
  /* RouteTimes.UntilNothingLands: nothing fences a table */
  atomic { if :: Mine && backend == DynamoDb -> LetWait(L + D + 2) :: else -> goto gone fi };
#endif
  drainWait();
  atomic { if :: Mine && state == Draining && backend == DynamoDb -> source = source | table :: else -> goto gone fi };  /* WriteBack, to the end of the stream */
  atomic { if :: Mine && state == Draining && backend == DynamoDb ->
       backend = MySql; state = MySql; flips++; assert(Safe)
     :: else -> goto gone
     fi };

stay:
  /* Ends what a switch has left: the fence is as the backend wants it, and calls go on. */
#ifndef STAY_FENCED
  atomic { if :: Mine && backend == goal -> fenced = (backend == MySql -> false : Fences) :: else -> goto gone fi };
#endif
  atomic { if :: Mine && backend == goal -> state = backend :: else -> goto gone fi };
  if
  :: atomic { holder == me && flips < FLIPS -> goal = (backend == MySql -> DynamoDb : MySql) }; goto start   /* the operator goes on to the other side */
  :: skip
  fi;

gone:
  wait[me] = 0;
  /* Always a way on: whoever holds the lease to his end leaves calls going. */
  assert(holder != me || (Accepts && (backend == DynamoDb || !fenced)))
}

/* Kills coordinators, or takes them for dead while they are only stopped, and starts others; the operator may have changed his mind. */
active proctype operator()
{
  byte next = 1;
  do
  :: crashes < CRASHES ->
     atomic {
       crashes++; holder = next; next++;
       if :: goal = DynamoDb :: goal = MySql fi;
       run coordinator(holder)
     }
  :: break
  od
}

init {
  atomic { run router(0); run router(1); run coordinator(0) }
}
