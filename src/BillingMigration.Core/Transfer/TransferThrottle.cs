using BillingMigration.Definition;

namespace BillingMigration.Transfer;

/// <summary>What a worker waits for before the next request.</summary>
public enum TransferWait
{
    None,

    /// <summary>The limit of items per second.</summary>
    ItemLimit,

    /// <summary>The limit of bytes per second.</summary>
    ByteLimit,

    /// <summary>The limit of write capacity units per second.</summary>
    WriteUnitLimit,

    /// <summary>The limit of source rows per second.</summary>
    RowLimit,

    /// <summary>The table throttled; the rate is held back and recovers by itself.</summary>
    TableThrottled,

    /// <summary>The target could not be reached or failed; the request is tried again.</summary>
    Network,
}

/// <summary>A moment of the throttle.</summary>
/// <param name="AdaptiveItemsPerSecond">Rate that throttling by the table has imposed; null when there is none.</param>
/// <param name="Waiting">What most waiting workers wait for now.</param>
/// <param name="Waiters">How many workers wait.</param>
public readonly record struct ThrottleState(double? AdaptiveItemsPerSecond, TransferWait Waiting, int Waiters)
{
    /// <summary>One phrase for the operator; null when nothing waits.</summary>
    public override string? ToString() => Waiting switch
    {
        TransferWait.ItemLimit => "limit of items per second",
        TransferWait.ByteLimit => "limit of bytes per second",
        TransferWait.WriteUnitLimit => "limit of write units per second",
        TransferWait.RowLimit => "limit of rows per second",
        TransferWait.TableThrottled when AdaptiveItemsPerSecond is { } rate => $"the table throttles: {rate:0} items/s for now",
        TransferWait.TableThrottled => "the table throttles",
        TransferWait.Network => "the target does not answer: trying again",
        _ => null,
    };
}

/// <summary>
/// Holds the transfer to the definition's limits, and to what the table takes: when it throttles, the rate falls at once by a third and
/// comes back step by step. Without limits and without throttling it costs a few nanoseconds.
/// </summary>
public sealed class TransferThrottle
{
    // A long wait is looked at again this often, because the rate may have changed meanwhile.
    private static readonly TimeSpan LongestNap = TimeSpan.FromMilliseconds(500);

    private readonly TimeProvider time;
    private readonly TokenBucket? items;
    private readonly TokenBucket? bytes;
    private readonly TokenBucket? units;
    private readonly TokenBucket? rows;
    private readonly AdaptiveRate adaptive;
    private readonly int[] waiting = new int[Enum.GetValues<TransferWait>().Length];
    private double unitsPerItem;

    public TransferThrottle(ThrottleDefinition limits, TimeProvider time)
    {
        this.time = time;
        items = Bucket(limits.ItemsPerSecond);
        bytes = Bucket(limits.BytesPerSecond);
        units = Bucket(limits.WriteUnitsPerSecond);
        rows = Bucket(limits.RowsPerSecond);
        adaptive = new AdaptiveRate(time);
    }

    public ThrottleState State
    {
        get
        {
            var most = TransferWait.None;
            var count = 0;
            var all = 0;
            for (var i = 1; i < waiting.Length; i++)
            {
                var now = Volatile.Read(ref waiting[i]);
                all += now;
                if (now > count)
                {
                    (most, count) = ((TransferWait)i, now);
                }
            }

            return new ThrottleState(adaptive.Limit, most, all);
        }
    }

    /// <summary>Waits until rows may be read from the source.</summary>
    public ValueTask AcquireRowsAsync(int count, CancellationToken cancellationToken) =>
        rows is null ? ValueTask.CompletedTask : TakeAsync(rows, count, TransferWait.RowLimit, cancellationToken);

    /// <summary>Waits until a request may be sent.</summary>
    /// <param name="count">Items in it.</param>
    /// <param name="size">Bytes of its body.</param>
    /// <param name="estimatedUnits">From <see cref="EstimateUnits"/>.</param>
    internal ValueTask AcquireAsync(int count, long size, double estimatedUnits, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return items is null && bytes is null && units is null && adaptive.Bucket is null
            ? ValueTask.CompletedTask
            : AcquireLimitedAsync(count, size, estimatedUnits, cancellationToken);
    }

    /// <summary>Write units of a request, by what items have cost so far, or by their size as long as nothing is known.</summary>
    internal double EstimateUnits(int count, long size)
    {
        if (units is null)
        {
            return 0;
        }

        var known = Volatile.Read(ref unitsPerItem);
        return known > 0 ? known * count : Math.Max(count, size / 1024.0);
    }

    /// <summary>Corrects what was taken for a request by what became of it.</summary>
    internal void Settle(int sent, int accepted, double estimatedUnits, double consumedUnits)
    {
        adaptive.CountAccepted(accepted);
        if (sent != accepted)
        {
            items?.Charge(accepted - sent);
        }

        if (units is null)
        {
            return;
        }

        units.Charge(consumedUnits - estimatedUnits);
        if (accepted > 0 && consumedUnits > 0)
        {
            var known = Volatile.Read(ref unitsPerItem);
            var now = consumedUnits / accepted;
            Volatile.Write(ref unitsPerItem, known > 0 ? known + 0.2 * (now - known) : now);
        }
    }

    /// <summary>The table throttled a request or left a part of it: slow down.</summary>
    internal void SlowDown() => adaptive.SlowDown();

    /// <summary>Shows a wait in <see cref="State"/> until <see cref="Leave"/>.</summary>
    internal void Enter(TransferWait reason) => Interlocked.Increment(ref waiting[(int)reason]);

    internal void Leave(TransferWait reason) => Interlocked.Decrement(ref waiting[(int)reason]);

    private async ValueTask AcquireLimitedAsync(int count, long size, double estimatedUnits, CancellationToken cancellationToken)
    {
        if (items is not null)
        {
            await TakeAsync(items, count, TransferWait.ItemLimit, cancellationToken);
        }

        if (bytes is not null)
        {
            await TakeAsync(bytes, size, TransferWait.ByteLimit, cancellationToken);
        }

        if (units is not null)
        {
            await TakeAsync(units, estimatedUnits, TransferWait.WriteUnitLimit, cancellationToken);
        }

        while (adaptive.Bucket is { } bucket && !bucket.TryTake(count, out var wait))
        {
            await NapAsync(wait, TransferWait.TableThrottled, cancellationToken);
        }
    }

    private ValueTask TakeAsync(TokenBucket bucket, double amount, TransferWait reason, CancellationToken cancellationToken)
    {
        return bucket.TryTake(amount, out var wait) ? ValueTask.CompletedTask : Slow();

        async ValueTask Slow()
        {
            do
            {
                await NapAsync(wait, reason, cancellationToken);
            }
            while (!bucket.TryTake(amount, out wait));
        }
    }

    private async ValueTask NapAsync(TimeSpan wait, TransferWait reason, CancellationToken cancellationToken)
    {
        Enter(reason);
        try
        {
            await Task.Delay(wait < LongestNap ? wait : LongestNap, time, cancellationToken);
        }
        finally
        {
            Leave(reason);
        }
    }

    private TokenBucket? Bucket(double? rate) => rate is { } limit ? new TokenBucket(limit, time) : null;
}
