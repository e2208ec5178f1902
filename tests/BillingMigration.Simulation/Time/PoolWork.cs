using System.Diagnostics;

namespace BillingMigration.Simulation;

/// <summary>
/// Knows whether code of the simulation is still at work on the .NET thread pool. Where the whole pool is idle, the answer is exact.
/// Where others use the pool too, the execution context tells whose work a thread does, and a short quiet spell must confirm it.
/// </summary>
internal sealed class PoolWork
{
    private const int QuietChecks = 20;
    private static readonly AsyncLocal<PoolWork?> Owner = new(OnThreadChanged);
    private static readonly TimeSpan StartPatience = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [ThreadStatic]
    private static PoolWork? counted;

    private int threads;
    private long seen;
    private int entered;
    private int handedOn;
    private int thread;
    private bool isKnown;

    /// <summary>Marks the work that is started from here on as the simulation's.</summary>
    public IDisposable Count()
    {
        var before = Owner.Value;
        Owner.Value = this;
        return new Mark(before);
    }

    public void WaitUntilDone()
    {
        // Between two waits only this thread can have given work to the pool.
        if (isKnown && PoolQueueing.Queued == seen)
        {
            return;
        }

        WaitUntilQuiet();
        (isKnown, seen) = (PoolQueueing.IsSeen, PoolQueueing.Queued);
        (entered, handedOn) = (0, 0);
    }

    /// <summary>A run may be on another thread than the one before it.</summary>
    public void Begin()
    {
        (isKnown, thread) = (false, Environment.CurrentManagedThreadId);
        (entered, handedOn) = (0, 0);
    }

    /// <summary>The present thread has given work to the pool.</summary>
    public static void NoteQueued()
    {
        if (counted is { } owner && owner.thread != Environment.CurrentManagedThreadId)
        {
            Interlocked.Increment(ref owner.handedOn);
        }
    }

    /// <summary>Work that has left the pool's queue and has not yet shown whose it is. Work without an execution context never does.</summary>
    private bool MayBeStarting(long given, long start) =>
        Volatile.Read(ref entered) < given + Volatile.Read(ref handedOn) && (start == 0 || Stopwatch.GetElapsedTime(start) < StartPatience);

    private void WaitUntilQuiet()
    {
        var own = Thread.CurrentThread.IsThreadPoolThread ? 1 : 0;
        var mine = ReferenceEquals(counted, this) ? 1 : 0;
        var given = isKnown ? PoolQueueing.Queued - seen : 0;
        var quiet = 0;
        var spin = default(SpinWait);
        var start = 0L;
        while (true)
        {
            if (ThreadPool.PendingWorkItemCount == 0 && Volatile.Read(ref threads) <= mine && !MayBeStarting(given, start))
            {
                ThreadPool.GetMaxThreads(out var most, out _);
                ThreadPool.GetAvailableThreads(out var free, out _);
                if (most - free <= own || ++quiet >= QuietChecks)
                {
                    return;
                }
            }
            else
            {
                quiet = 0;
            }

            spin.SpinOnce(sleep1Threshold: -1);
            start = start == 0 ? Stopwatch.GetTimestamp() : start;
            if (Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new TimeoutException($"Work on the thread pool has not ended within {Patience} of real time: the virtual clock cannot move on.");
            }
        }
    }

    private static void OnThreadChanged(AsyncLocalValueChangedArgs<PoolWork?> change)
    {
        // A set by the program itself is no change of the work that this thread does.
        if (!change.ThreadContextChanged || ReferenceEquals(counted, change.CurrentValue))
        {
            return;
        }

        if (counted is not null)
        {
            Interlocked.Decrement(ref counted.threads);
        }

        counted = Thread.CurrentThread.IsThreadPoolThread ? change.CurrentValue : null;
        if (counted is not null)
        {
            Interlocked.Increment(ref counted.threads);
            if (counted.thread != Environment.CurrentManagedThreadId)
            {
                Interlocked.Increment(ref counted.entered);
            }
        }
    }

    private sealed class Mark(PoolWork? before) : IDisposable
    {
        public void Dispose() => Owner.Value = before;
    }
}
