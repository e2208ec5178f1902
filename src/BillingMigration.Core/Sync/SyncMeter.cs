namespace BillingMigration.Sync;

/// <summary>Counts what is written, with the rate of the last few seconds.</summary>
internal sealed class SyncMeter(TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly long started = time.GetTimestamp();
    private readonly Queue<(long At, long Rows)> samples = new();

    public long Transactions { get; private set; }

    public long Rows { get; private set; }

    public DateTimeOffset? CommittedAt { get; private set; }

    public TimeSpan Elapsed => time.GetElapsedTime(started);

    public void Count(ChangeWindow window)
    {
        Transactions += window.Transactions;
        Rows += window.Rows;
        if (window.CommittedAt > 0)
        {
            CommittedAt = DateTimeOffset.FromUnixTimeSeconds(window.CommittedAt);
        }
    }

    /// <summary>Age of the last change written; none when nothing is left to write.</summary>
    public TimeSpan? Lag(bool idle) => idle || CommittedAt is not { } last ? null : TimeSpan.FromTicks(Math.Max(0, (time.GetUtcNow() - last).Ticks));

    public double RowsPerSecond()
    {
        var now = time.GetTimestamp();
        samples.Enqueue((now, Rows));
        while (samples.Count > 2 && time.GetElapsedTime(samples.Peek().At, now) > Period)
        {
            samples.Dequeue();
        }

        var oldest = samples.Peek();
        var seconds = time.GetElapsedTime(oldest.At, now).TotalSeconds;
        return seconds > 0 ? (Rows - oldest.Rows) / seconds : 0;
    }
}
