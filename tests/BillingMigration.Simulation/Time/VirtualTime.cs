using System.Diagnostics;

namespace BillingMigration.Simulation;

/// <summary>
/// A clock that moves only when nothing is left to do at its present time. <see cref="Run(Func{Task})"/> runs timers and simulated
/// events one after the other on the calling thread, and awaiting code continues there, so that a run repeats exactly.
/// </summary>
public sealed class VirtualTime : TimeProvider
{
    private readonly object gate = new();
    private readonly PriorityQueue<VirtualEvent, (long Time, long Sequence)> queue = new();
    private readonly PoolWork pool = new();
    private long now = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).Ticks;
    private long sequence;
    private int running;
    private (long Real, long Began)? follows;

    /// <summary>How far one run may move the clock before it counts as endless; a periodic timer alone would run for ever.</summary>
    public TimeSpan Limit { get; set; } = TimeSpan.FromDays(7);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    internal long Now => Volatile.Read(ref now);

    public override long GetTimestamp() => Now;

    public override DateTimeOffset GetUtcNow() => new(Now, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Runs an action on the simulation's thread after a span of virtual time. It may be called from any thread.</summary>
    public void Schedule(TimeSpan after, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Add(after.Ticks, new VirtualEvent(action));
    }

    /// <summary>Starts the work and runs the simulation until the work has ended; its exception is thrown here.</summary>
    public void Run(Func<Task> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        using var outside = ThreadOfSimulation.Enter();
        using var counted = pool.Count();
        Loop(work());
    }

    /// <inheritdoc cref="Run(Func{Task})"/>
    public T Run<T>(Func<Task<T>> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        using var outside = ThreadOfSimulation.Enter();
        using var counted = pool.Count();
        var task = work();
        Loop(task);
        return task.Result;
    }

    /// <summary>Runs the simulation until a task that has been started already has ended.</summary>
    public void Run(Task until)
    {
        ArgumentNullException.ThrowIfNull(until);
        Run(() => until);
    }

    /// <inheritdoc cref="Run(Task)"/>
    public T Run<T>(Task<T> until)
    {
        ArgumentNullException.ThrowIfNull(until);
        return Run(() => until);
    }

    /// <summary>Runs everything that is due within a span, for example what lands after its sender has ended.</summary>
    public void RunFor(TimeSpan span)
    {
        var end = new TaskCompletionSource();
        Run(() =>
        {
            Schedule(span, end.SetResult);
            return end.Task;
        });
    }

    /// <summary>Lets this clock be the real one from now on: runs everything on the calling thread when it is due, until it is stopped.</summary>
    internal void Follow(CancellationToken stop)
    {
        lock (gate)
        {
            follows = (Stopwatch.GetTimestamp(), now);
        }

        while (!stop.IsCancellationRequested)
        {
            Due()?.Action();
        }
    }

    internal VirtualEvent Add(long afterTicks, VirtualEvent added)
    {
        lock (gate)
        {
            Catch();
            queue.Enqueue(added, (now + Math.Max(0, afterTicks), sequence++));
            Monitor.Pulse(gate);
        }

        return added;
    }

    private void Catch()
    {
        if (follows is var (real, began))
        {
            now = Math.Max(now, began + Stopwatch.GetElapsedTime(real).Ticks);
        }
    }

    /// <summary>The next event that is due by the real clock; null after a wait.</summary>
    private VirtualEvent? Due()
    {
        lock (gate)
        {
            Catch();
            if (queue.TryPeek(out var next, out var due) && due.Time <= now)
            {
                queue.Dequeue();
                return next.IsCancelled ? null : next;
            }

            Monitor.Wait(gate, queue.Count == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(due.Time - now));
            return null;
        }
    }

    private void Loop(Task until)
    {
        if (Interlocked.Exchange(ref running, 1) != 0)
        {
            throw new InvalidOperationException("This virtual time is being run already: a run cannot start inside another.");
        }

        try
        {
            var limit = Now + Limit.Ticks;
            pool.Begin();
            while (true)
            {
                pool.WaitUntilDone();
                if (until.IsCompleted)
                {
                    break;
                }

                Next(limit)?.Action();
            }
        }
        finally
        {
            Volatile.Write(ref running, 0);
        }

        until.GetAwaiter().GetResult();
    }

    private VirtualEvent? Next(long limit)
    {
        lock (gate)
        {
            if (!queue.TryDequeue(out var next, out var due))
            {
                throw new UnreachableException(
                    $"Deadlock in virtual time at {GetUtcNow():O}: the task has not ended, and no timer, request or scheduled action is left that could end it.");
            }

            // A disposed timer must not move the clock.
            if (next.IsCancelled)
            {
                return null;
            }

            if (due.Time > limit)
            {
                throw new TimeoutException($"The run has passed its limit of {Limit} of virtual time and the task has not ended.");
            }

            now = due.Time;
            return next;
        }
    }
}
