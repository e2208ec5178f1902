using BillingMigration.Control;

namespace BillingMigration.Store;

/// <summary>
/// Asks for the route several times a second. An answer may be acted on for the route's lease, counted from the moment before it was asked for, by the monotonic and by the wall clock: a process
/// that was stopped, or a machine that was suspended, has none when it wakes.
/// </summary>
internal sealed class RouteWatch : IAsyncDisposable
{
    /// <summary>Of the lease: clocks do not all go at the same rate.</summary>
    private const double Margin = 0.1;

    private const int AsksPerLease = 3;
    private const int AsksPerLeaseInDrain = 10;
    private const int MostAsks = 8;

    private readonly Func<CancellationToken, Task<Route>> ask;
    private readonly RouterPresence presence;
    private readonly RoutingOptions options;
    private readonly string table;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stop = new();
    private readonly object guard = new();
    private readonly Task asking;
    private Seen seen;
    private Exception? trouble;
    private TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int waiting;
    private int asks;

    private RouteWatch(Func<CancellationToken, Task<Route>> ask, Seen first, RouterPresence presence, RoutingOptions options, string table, TimeProvider time)
    {
        (this.ask, this.presence, this.options, this.table, this.time) = (ask, presence, options, table, time);
        seen = first;
        asking = AskAgainAsync();
    }

    /// <summary>A route, when it was asked for, by both clocks, and when the answer was there.</summary>
    private sealed record Seen(Route Route, long Asked, DateTimeOffset AskedAt, long Answered);

    /// <summary>What was last seen, held or not.</summary>
    public Route Last => Volatile.Read(ref seen).Route;

    /// <summary>Told each answer, held or not.</summary>
    public Action<Route>? OnAnswer { private get; set; }

    /// <summary>True when the last answer may still be acted on.</summary>
    public bool IsHeld => Held(Volatile.Read(ref seen));

    /// <param name="askFirst">Asks with patience, and names the trouble.</param>
    /// <param name="ask">Asks once.</param>
    /// <param name="presence">Makes this store known when it writes.</param>
    /// <param name="table">The control table, for errors.</param>
    /// <param name="options">How long and how many may wait.</param>
    /// <param name="time">Both clocks.</param>
    /// <param name="cancellationToken">For the first answer.</param>
    public static async Task<RouteWatch> OpenAsync(
        Func<CancellationToken, Task<Route>> askFirst, Func<CancellationToken, Task<Route>> ask, RouterPresence presence, string table, RoutingOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var (asked, at) = (time.GetTimestamp(), time.GetUtcNow());
        var first = await askFirst(cancellationToken);
        return new RouteWatch(ask, new Seen(first, asked, at, time.GetTimestamp()), presence, options, table, time);
    }

    /// <summary>The route, when it accepts calls; waits for one that does.</summary>
    /// <param name="writes">Whoever switches is to know of this store before it goes by the route.</param>
    /// <param name="cancellationToken">Nothing of the call is done.</param>
    /// <exception cref="MigrationException"><c>BackendDraining</c>, <c>RouteUnknown</c>: it took too long; <c>TooManyCallsWait</c>.</exception>
    public ValueTask<Route> AcceptingAsync(bool writes, CancellationToken cancellationToken)
    {
        var now = Volatile.Read(ref seen);
        return Accepts(now, writes) ? ValueTask.FromResult(now.Route) : new ValueTask<Route>(WaitAsync(writes, cancellationToken));
    }

    /// <summary>Returns when the next question has its answer, or gets none.</summary>
    public Task NextAsync(CancellationToken cancellationToken) => NextAnswer().WaitAsync(cancellationToken);

    /// <summary>Open while writes go to the backend.</summary>
    public IWriteGate GateOf(StoreBackend backend) => new Gate(this, backend);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        NextDone();
        stop.Dispose();
    }

    private sealed class Gate(RouteWatch watch, StoreBackend backend) : IWriteGate
    {
        public TimeSpan AttemptTime => RouteTimes.AttemptTime;

        public long Epoch => watch.Last.Epoch;

        public Task<bool> WasWaitedForAsync(long epoch) => watch.presence.WasWaitedForAsync(epoch);

        public IGatedWrite Begin(long? epoch) => watch.presence.Begin(
            () => Volatile.Read(ref watch.seen) is var now && now.Route.Backend == backend && (epoch is null || epoch == now.Route.Epoch) && watch.Accepts(now, writes: true));
    }

    private bool Accepts(Seen answer, bool writes) => answer.Route.Accepts && Held(answer) && (!writes || presence.Covers(answer.Route, answer.Asked));

    private bool Held(Seen answer)
    {
        var lease = answer.Route.Lease * (1 - Margin);
        return time.GetElapsedTime(answer.Asked) < lease && time.GetUtcNow() - answer.AskedAt < lease;
    }

    private async Task<Route> WaitAsync(bool writes, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        if (Interlocked.Increment(ref waiting) > options.MostWaiting)
        {
            Interlocked.Decrement(ref waiting);
            throw StoreErrors.TooManyWaiting(options.MostWaiting);
        }

        var most = Task.Delay(options.MostWait, time, cancellationToken);
        try
        {
            while (true)
            {
                ObjectDisposedException.ThrowIf(stop.IsCancellationRequested, typeof(RoutedBillingStore));
                var answer = NextAnswer();
                var now = Volatile.Read(ref seen);
                if (Accepts(now, writes))
                {
                    return now.Route;
                }

                if (writes && !presence.Covers(now.Route, long.MaxValue))
                {
                    answer = MakeKnownAsync(now.Route, cancellationToken);
                }

                if (most.IsCompleted)
                {
                    await most;
                    var waited = time.GetElapsedTime(began);
                    throw Held(now) ? StoreErrors.BackendDraining(now.Route, waited) : StoreErrors.RouteUnknown(table, time.GetElapsedTime(now.Asked), trouble);
                }

                if (await Task.WhenAny(answer, most) == answer)
                {
                    await answer;
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>An answer counts for writes when it was asked for after that.</summary>
    private async Task MakeKnownAsync(Route route, CancellationToken cancellationToken)
    {
        try
        {
            await presence.MakeKnownAsync(route, cancellationToken);
            await (Volatile.Read(ref asks) < MostAsks ? AskAsync(Last.Lease) : NextAnswer());
        }
        catch (MigrationException e) when (e.Kind is MigrationErrorKind.Unreachable or MigrationErrorKind.Busy)
        {
            trouble = e;
            await NextAnswer();
        }
    }

    private Task NextAnswer()
    {
        lock (guard)
        {
            return next.Task;
        }
    }

    private void NextDone()
    {
        lock (guard)
        {
            next.TrySetResult();
            next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Asks on a beat, without waiting for the answer before: on a slow link answers overlap.</summary>
    private async Task AskAgainAsync()
    {
        while (true)
        {
            var route = Last;
            await Task.Delay(route.Lease / (route.Accepts ? AsksPerLease : AsksPerLeaseInDrain), time, stop.Token);
            if (Volatile.Read(ref asks) < MostAsks)
            {
                _ = AskAsync(route.Lease);
            }
        }
    }

    private async Task AskAsync(TimeSpan lease)
    {
        Interlocked.Increment(ref asks);
        try
        {
            // An answer that comes later may not be acted on.
            using var limit = new CancellationTokenSource(lease, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop.Token);
            var (asked, at) = (time.GetTimestamp(), time.GetUtcNow());
            var route = await ask(both.Token);
            Take(new Seen(route, asked, at, time.GetTimestamp()));
        }
        catch (Exception e)
        {
            // The next one asks again; who waits too long is told.
            trouble = e;
        }
        finally
        {
            Interlocked.Decrement(ref asks);
            NextDone();
        }
    }

    private void Take(Seen answer)
    {
        lock (guard)
        {
            // Questions overlap: an answer with a former epoch was given before the one that is here, though it was asked for later. What was said on the later epoch holds.
            if (answer.Asked > seen.Asked && (answer.Route.Epoch >= seen.Route.Epoch || answer.Asked > seen.Answered))
            {
                Volatile.Write(ref seen, answer);
            }
        }

        presence.Look(Last);
        OnAnswer?.Invoke(Last);
    }
}
