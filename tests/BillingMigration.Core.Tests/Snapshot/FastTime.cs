namespace BillingMigration.Tests.Snapshot;

/// <summary>Time that passes so many times faster.</summary>
internal sealed class FastTime(int times) : TimeProvider
{
    private readonly long started = System.GetTimestamp();

    public override long GetTimestamp() => started + ((System.GetTimestamp() - started) * times);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new FastTimer(this, System.CreateTimer(callback, state, Real(dueTime), Real(period)));

    private TimeSpan Real(TimeSpan span) => span == Timeout.InfiniteTimeSpan ? span : span / times;

    private sealed class FastTimer(FastTime time, ITimer timer) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(time.Real(dueTime), time.Real(period));

        public void Dispose() => timer.Dispose();

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}
