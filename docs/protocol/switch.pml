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
 */
#define L 2   /* lease of a route */
#define D 1   /* longest attempt of a write, from the gate on */
#ifndef WRITES
#define WRITES 1  /* of each router */
#endif
#define CRASHES 1 /* coordinators that are replaced */
#ifndef FLIPS
#define FLIPS 3   /* an operator begins no more switches when so many are made */
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
byte source = 0, table = 0, acknowledged = 0;   /* sets of writes, a bit each */
byte flips = 0, crashes = 0;

#define Accepts (state != Draining)
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

/* RouteWatch and the writers behind it. */
proctype router(byte id)
{
  mtype seen = Draining;
  byte writes = 0, mask;
  do
  :: writes == WRITES -> break
  :: else ->
     lease[id] = L;                              /* it asks: the lease counts from here */
     seen = (state == Draining -> Draining : backend);
#ifdef LEASE_ANSWER
     lease[id] = L;                              /* the answer has come, some time after it was given */
#endif
     mask = 1 << (id * WRITES + writes);
     if
     :: atomic { seen != Draining && lease[id] > 0 -> deadline[id] = D + 1 };     /* the gate: from here on an attempt has D */
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
     :: seen == Draining || lease[id] == 0 -> seen = Draining        /* waits, and asks again */
     fi
  od;
  lease[id] = 0
}

/* A coordinator: whoever runs Switch-BillingBackend. Every step looks at the lease where it takes effect: in the transaction that changes the route, over the connection that has the server's lock. */
#ifdef OLD_WRITER
#define Mine true
#else
#define Mine (holder == me)
#endif

proctype coordinator(byte me)
{
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
  atomic { if :: Mine && backend == MySql -> state = Draining; wait[me] = Wait + 1 :: else -> goto gone fi };
#ifndef NO_WAIT
  wait[me] == 0;
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
  atomic { if :: Mine && backend == DynamoDb -> state = Draining; wait[me] = L :: else -> goto gone fi };
#else
  /* RouteTimes.UntilNothingLands: nothing fences a table */
  atomic { if :: Mine && backend == DynamoDb -> state = Draining; wait[me] = L + D + 2 :: else -> goto gone fi };
#endif
  wait[me] == 0;
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
