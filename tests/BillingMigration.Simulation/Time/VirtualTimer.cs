namespace BillingMigration.Simulation;

/// <summary>An action in the queue of a virtual time.</summary>
internal sealed class VirtualEvent(Action action)
{
    private volatile bool cancelled;

    public Action Action { get; } = action;

    public bool IsCancelled => cancelled;

    public void Cancel() => cancelled = true;
}

/// <summary>A timer of a virtual time. Once it is disposed or changed, an earlier due time never fires.</summary>
internal sealed class VirtualTimer(VirtualTime time, TimerCallback callback, object? state) : ITimer
{
    private readonly object gate = new();
    private readonly ExecutionContext? context = ExecutionContext.Capture();
    private VirtualEvent? pending;
    private TimeSpan period;
    private bool disposed;

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        lock (gate)
        {
            if (disposed)
            {
                return false;
            }

            pending?.Cancel();
            this.period = period;
            pending = dueTime < TimeSpan.Zero ? null : time.Add(dueTime.Ticks, new VirtualEvent(Fire));
            return true;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            pending?.Cancel();
            pending = null;
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private void Fire()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            pending = period > TimeSpan.Zero ? time.Add(period.Ticks, new VirtualEvent(Fire)) : null;
        }

        if (context is null)
        {
            callback(state);
        }
        else
        {
            ExecutionContext.Run(context, static timer => ((VirtualTimer)timer!).Call(), this);
        }
    }

    private void Call() => callback(state);
}
