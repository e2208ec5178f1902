namespace BillingMigration.Testing.Faults;

/// <summary>What the proxy does to an HTTP request instead of passing it on.</summary>
public enum HttpFault
{
    /// <summary>400 <c>ProvisionedThroughputExceededException</c>.</summary>
    Throttle,

    /// <summary>500 <c>InternalServerError</c>.</summary>
    InternalError,

    /// <summary>503 without a JSON body, as a load balancer answers.</summary>
    Unavailable,

    /// <summary>BatchWriteItem: about half of the puts go to the server, the others come back as UnprocessedItems, and are really not processed.</summary>
    PartialBatch,

    /// <summary>GetRecords: there is nothing, and the place stays. What was written has not come to the stream yet.</summary>
    EmptyStream,

    /// <summary>Query of an index: there is nothing. What was written has not come to the index yet.</summary>
    EmptyIndex,

    /// <summary>400 <c>ExpiredTokenException</c>.</summary>
    ExpiredCredentials,

    /// <summary>400 <c>AccessDeniedException</c>.</summary>
    AccessDenied,

    /// <summary>400 <c>ReplicatedWriteConflictException</c>, of a global table.</summary>
    ReplicatedConflict,

    /// <summary>The connection is reset; the server never sees the request.</summary>
    Reset,

    /// <summary>The server does the work, then the connection is reset: the answer is lost.</summary>
    LoseAnswer,

    /// <summary>The request is swallowed: no answer ever.</summary>
    Swallow,

    /// <summary>
    /// The request waits on the way until its sender has given it up and <see cref="FaultSwitches.DeliverLateAsync"/> is called. Then it arrives after all, as the bytes of an orderly closed
    /// connection do, unless its connection was reset.
    /// </summary>
    Late,
}

/// <summary>When a fault happens; the first rule that applies to a request decides. Dispose ends it.</summary>
public sealed class HttpFaultRule : IDisposable
{
    private readonly Random? random;
    private readonly double probability;
    private readonly object gate = new();
    private readonly TaskCompletionSource first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long skip;
    private long left;

    internal HttpFaultRule(HttpFault fault, string? operation, long times, double probability, int seed, long skip = 0)
    {
        this.skip = skip;
        Fault = fault;
        Operation = operation;
        left = times;
        this.probability = probability;
        random = probability < 1 ? new Random(seed) : null;
    }

    public HttpFault Fault { get; }

    /// <summary>Operation it applies to, for example <c>BatchWriteItem</c>; null: all.</summary>
    public string? Operation { get; }

    /// <summary>Requests it has hit.</summary>
    public long Hits => Counter.Count;

    public HitCounter Counter { get; } = new();

    /// <summary>Completes when it has hit for the first time.</summary>
    public Task FirstHit => first.Task;

    public void Dispose() => Interlocked.Exchange(ref left, 0);

    internal bool Applies(string operation)
    {
        if (Operation is not null && Operation != operation)
        {
            return false;
        }

        lock (gate)
        {
            if (skip > 0)
            {
                skip--;
                return false;
            }

            if (left <= 0 || random?.NextDouble() >= probability)
            {
                return false;
            }

            left--;
            Counter.Add();
            first.TrySetResult();
            return true;
        }
    }
}

/// <summary>The proxy's switches. All may be turned while connections are open.</summary>
public sealed class FaultSwitches
{
    private readonly object gate = new();
    private readonly List<HttpFaultRule> rules = [];
    private TaskCompletionSource? hole;
    private TaskCompletionSource late = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> held = [];
    private long arrivedLate;
    private long takenBack;

    internal event Action? ResetRequested;

    /// <summary>Added to every piece of data, each way.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>Bandwidth of each connection, each way; null: unlimited.</summary>
    public long? BytesPerSecond { get; set; }

    /// <summary>A way that all connections share; null: each has its own.</summary>
    public SharedLink? Link { get; set; }

    /// <summary>New connections are accepted and reset.</summary>
    public bool RefuseConnections { get; set; }

    /// <summary>What the caller may do, by operation and body of a request: what it may not is answered as <see cref="HttpFault.AccessDenied"/>. Null: everything.</summary>
    public Func<string, byte[], bool>? Allowed { get; set; }

    /// <summary>Partition keys whose puts BatchWriteItem leaves unprocessed, as a partition does that is written more than it can take; null: none.</summary>
    public Func<string, bool>? Hot { get; set; }

    /// <summary>How the table's stream is shown; null: as it is.</summary>
    public StreamSplit? Stream { get; set; }

    /// <summary>How far the server's clock is ahead of this machine's: requests signed more than five minutes from it are refused, as DynamoDB refuses them.</summary>
    public TimeSpan Clock { get; set; }

    /// <summary>A connection is reset after this many bytes from the server; null: never.</summary>
    public long? ResetAfterBytes { get; set; }

    /// <summary>While true nothing is forwarded either way, and no connection is closed.</summary>
    public bool BlackHole
    {
        get => Volatile.Read(ref hole) is not null;
        set
        {
            lock (gate)
            {
                if (value)
                {
                    hole ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                else
                {
                    hole?.SetResult();
                    hole = null;
                }
            }
        }
    }

    /// <summary>Requests of <see cref="HttpFault.Late"/> that arrived after their senders had given them up.</summary>
    public long ArrivedLate => Interlocked.Read(ref arrivedLate);

    /// <summary>Requests of <see cref="HttpFault.Late"/> that were taken back by a reset.</summary>
    public long TakenBack => Interlocked.Read(ref takenBack);

    /// <summary>Lets the requests arrive that <see cref="HttpFault.Late"/> holds.</summary>
    /// <returns>Ends when each of them has arrived, or turned out to be taken back.</returns>
    public Task DeliverLateAsync()
    {
        lock (gate)
        {
            var all = Task.WhenAll(held);
            held.Clear();
            late.SetResult();
            late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return all;
        }
    }

    /// <summary>Resets every open connection now.</summary>
    public void ResetConnections() => ResetRequested?.Invoke();

    /// <summary>Hits the next <paramref name="times"/> requests.</summary>
    public HttpFaultRule Next(int times, HttpFault fault, string? operation = null) => Add(new HttpFaultRule(fault, operation, times, 1, 0));

    /// <summary>Hits requests at random, the same ones for the same seed and order.</summary>
    public HttpFaultRule Sometimes(double probability, int seed, HttpFault fault, string? operation = null) =>
        Add(new HttpFaultRule(fault, operation, long.MaxValue, probability, seed));

    /// <summary>Hits every request until disposed.</summary>
    public HttpFaultRule While(HttpFault fault, string? operation = null) => Add(new HttpFaultRule(fault, operation, long.MaxValue, 1, 0));

    /// <summary>Lets some requests pass, and hits the next <paramref name="times"/>.</summary>
    public HttpFaultRule After(int passed, HttpFault fault, long times = long.MaxValue, string? operation = null) => Add(new HttpFaultRule(fault, operation, times, 1, 0, passed));

    /// <summary>Turns everything off.</summary>
    public void Clear()
    {
        lock (gate)
        {
            rules.Clear();
        }

        Latency = TimeSpan.Zero;
        BytesPerSecond = null;
        Link = null;
        Hot = null;
        RefuseConnections = false;
        ResetAfterBytes = null;
        Allowed = null;
        Stream = null;
        Clock = TimeSpan.Zero;
        BlackHole = false;
    }

    internal HttpFault? For(string operation, byte[] body)
    {
        if (Allowed is { } allowed && !allowed(operation, body))
        {
            return HttpFault.AccessDenied;
        }

        lock (gate)
        {
            return rules.FirstOrDefault(r => r.Applies(operation))?.Fault;
        }
    }

    internal Task PassAsync(CancellationToken cancellationToken) => Volatile.Read(ref hole) is { } open ? open.Task.WaitAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>A request is held until <see cref="DeliverLateAsync"/>.</summary>
    /// <param name="deliver">What becomes of it then; given the delivery.</param>
    internal Task HoldAsync(Func<Task, Task> deliver)
    {
        lock (gate)
        {
            var delivered = deliver(late.Task);
            held.Add(delivered);
            return delivered;
        }
    }

    internal void CountLate(bool arrived) => Interlocked.Increment(ref arrived ? ref arrivedLate : ref takenBack);

    private HttpFaultRule Add(HttpFaultRule rule)
    {
        lock (gate)
        {
            rules.Add(rule);
        }

        return rule;
    }
}
