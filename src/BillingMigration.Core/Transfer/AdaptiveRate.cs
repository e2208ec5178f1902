namespace BillingMigration.Transfer;

/// <summary>
/// The rate that a throttling table is given: none at first; a throttled request makes it two thirds of what the table last took, each
/// further one cuts it again, and every second without gives back a twentieth of the best rate seen, until it no longer limits.
/// </summary>
internal sealed class AdaptiveRate(TimeProvider time)
{
    private const double Decrease = 0.67;
    private const double RecoveryPerSecond = 0.05;

    /// <summary>Items per second below which the rate does not fall: one full batch a second.</summary>
    private const double Floor = 25;

    // Requests under way when the table began to throttle come back throttled too; together they count once.
    private static readonly TimeSpan OneEvent = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private TokenBucket? bucket;
    private long changedAt;
    private long windowStart = time.GetTimestamp();
    private long accepted;
    private double lastWindow;
    private double peak;

    /// <summary>The bucket to take from, its rate up to date; null while nothing limits.</summary>
    public TokenBucket? Bucket
    {
        get
        {
            if (Volatile.Read(ref bucket) is null)
            {
                return null;
            }

            lock (gate)
            {
                Recover();
                return bucket;
            }
        }
    }

    public double? Limit => Bucket?.Rate;

    public void CountAccepted(int count)
    {
        Interlocked.Add(ref accepted, count);
        if (time.GetElapsedTime(Volatile.Read(ref windowStart)) >= Window)
        {
            lock (gate)
            {
                CloseWindow(Window);
            }
        }
    }

    public void SlowDown()
    {
        lock (gate)
        {
            if (bucket is not null && time.GetElapsedTime(changedAt) < OneEvent)
            {
                return;
            }

            CloseWindow(TimeSpan.FromMilliseconds(100));
            var from = bucket is null ? lastWindow : Math.Min(bucket.Rate, Math.Max(lastWindow, Floor));
            var rate = Math.Max(Floor, from * Decrease);
            changedAt = time.GetTimestamp();
            if (bucket is null)
            {
                Volatile.Write(ref bucket, new TokenBucket(rate, time));
            }
            else
            {
                bucket.Rate = rate;
            }
        }
    }

    private void CloseWindow(TimeSpan atLeast)
    {
        var elapsed = time.GetElapsedTime(windowStart);
        if (elapsed < atLeast)
        {
            return;
        }

        lastWindow = Interlocked.Exchange(ref accepted, 0) / elapsed.TotalSeconds;
        peak = Math.Max(peak, lastWindow);
        Volatile.Write(ref windowStart, time.GetTimestamp());
    }

    private void Recover()
    {
        if (bucket is null)
        {
            return;
        }

        var elapsed = time.GetElapsedTime(changedAt);
        if (elapsed < OneEvent)
        {
            return;
        }

        var best = Math.Max(peak, Floor * 4);
        var rate = bucket.Rate + best * RecoveryPerSecond * elapsed.TotalSeconds;
        changedAt = time.GetTimestamp();
        if (rate > best * 1.1)
        {
            Volatile.Write(ref bucket, null);
        }
        else
        {
            bucket.Rate = rate;
        }
    }
}
