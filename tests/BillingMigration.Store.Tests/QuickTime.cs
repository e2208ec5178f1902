namespace BillingMigration.Store.Tests;

/// <summary>Clocks and timers that run faster than those of the machine: what waits for a minute ends within seconds.</summary>
internal sealed class QuickTime(int times) : TimeProvider
{
    private readonly long began = System.GetTimestamp();
    private readonly DateTimeOffset beganAt = System.GetUtcNow();

    public override long TimestampFrequency => System.TimestampFrequency;

    public override long GetTimestamp() => began + ((System.GetTimestamp() - began) * times);

    public override DateTimeOffset GetUtcNow() => beganAt + ((System.GetUtcNow() - beganAt) * times);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => System.CreateTimer(callback, state, Quick(dueTime), Quick(period));

    private TimeSpan Quick(TimeSpan time) => time > TimeSpan.Zero ? time / times : time;
}
