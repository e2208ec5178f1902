namespace BillingMigration.Transfer;

/// <summary>Counters of what crossed the wire; written by every worker, read at any time for progress.</summary>
public sealed class TransferMetrics
{
    private long items;
    private long bytes;
    private long requests;
    private long throttled;
    private long retries;
    private long microUnits;
    private long latencyTicks;
    private long maxLatencyTicks;

    /// <summary>Items that the table accepted.</summary>
    public long Items => Interlocked.Read(ref items);

    /// <summary>Bytes of request bodies sent, repeated ones included.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <summary>HTTP requests made.</summary>
    public long Requests => Interlocked.Read(ref requests);

    /// <summary>Requests that came back throttled, or with unprocessed items.</summary>
    public long Throttled => Interlocked.Read(ref throttled);

    /// <summary>Requests that repeated an earlier one, or a part of it.</summary>
    public long Retries => Interlocked.Read(ref retries);

    /// <summary>Capacity units as DynamoDB reported them, indexes included.</summary>
    public double ConsumedUnits => Interlocked.Read(ref microUnits) / 1e6;

    public TimeSpan MeanLatency => new(Interlocked.Read(ref latencyTicks) / Math.Max(1, Requests));

    public TimeSpan MaxLatency => new(Interlocked.Read(ref maxLatencyTicks));

    internal void CountRequest(int sentBytes, TimeSpan latency)
    {
        Interlocked.Increment(ref requests);
        Interlocked.Add(ref bytes, sentBytes);
        Interlocked.Add(ref latencyTicks, latency.Ticks);
        var max = Interlocked.Read(ref maxLatencyTicks);
        while (latency.Ticks > max)
        {
            var seen = Interlocked.CompareExchange(ref maxLatencyTicks, latency.Ticks, max);
            if (seen == max)
            {
                break;
            }

            max = seen;
        }
    }

    internal void CountAccepted(int count, double units)
    {
        Interlocked.Add(ref items, count);
        Interlocked.Add(ref microUnits, (long)Math.Round(units * 1e6));
    }

    internal void CountThrottled() => Interlocked.Increment(ref throttled);

    internal void CountRetry() => Interlocked.Increment(ref retries);
}
