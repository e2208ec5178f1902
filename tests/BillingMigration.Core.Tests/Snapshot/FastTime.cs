namespace BillingMigration.Tests.Snapshot;

/// <summary>Time that passes so many times faster.</summary>
internal sealed class FastTime(int times) : TimeProvider
{
    private readonly long started = System.GetTimestamp();

    public override long GetTimestamp() => started + ((System.GetTimestamp() - started) * times);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, Real(dueTime), Real(period));

    private TimeSpan Real(TimeSpan span) => span == Timeout.InfiniteTimeSpan ? span : span / times;
}
