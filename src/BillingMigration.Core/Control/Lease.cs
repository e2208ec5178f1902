using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Transfer;

namespace BillingMigration.Control;

/// <summary>Times of a lease.</summary>
internal sealed record LeaseOptions
{
    /// <summary>
    /// A lease that is not renewed for this long may be taken. Long enough that a link which is down for half a minute does not end a job; a holder
    /// that died on the same machine is recognised at once all the same.
    /// </summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

    public TimeSpan RenewEvery { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>A holder that could not renew stops this long before another may take the lease: clocks of two machines run at slightly different rates.</summary>
    public TimeSpan Margin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait after a renewal that failed.</summary>
    public TimeSpan RetryAfter => RenewEvery / 6;

    /// <summary>Time of one renewal: several fit in before the holder has to stop.</summary>
    public TimeSpan AttemptTime => (Duration - Margin) / 3;

    /// <summary>How often a contender looks whether the holder renews.</summary>
    public TimeSpan WatchEvery { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>Where a lease lies.</summary>
internal sealed record LeasePlace(IAmazonDynamoDB Client, string Table, string PartitionKey)
{
    public Dictionary<string, AttributeValue> Key(string job) => new()
    {
        ["pk"] = new AttributeValue(PartitionKey),
        ["sk"] = new AttributeValue(LeaseItem.SortKey(job)),
    };
}

/// <summary>The right to do a job, renewed in the background until disposed. Its epoch grows with every holder and fences late writers.</summary>
public sealed class Lease : IAsyncDisposable
{
    private readonly LeasePlace place;
    private readonly LeaseOptions options;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource lost = new();
    private readonly CancellationTokenSource stop = new();
    private readonly ITimer deadline;
    private readonly Task renewal;
    private readonly object guard = new();
    private (long Timestamp, DateTimeOffset At) renewed;
    private int disposed;

    /// <param name="renewedAt">Timestamp taken before the request that acquired the lease was sent.</param>
    internal Lease(LeasePlace place, string job, long epoch, string token, LeaseOptions options, TimeProvider time, long renewedAt)
    {
        this.place = place;
        this.options = options;
        this.time = time;
        Job = job;
        Epoch = epoch;
        Token = token;
        renewed = (renewedAt, time.GetUtcNow() - time.GetElapsedTime(renewedAt));
        deadline = time.CreateTimer(_ => Lose("it could not be renewed in time"), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        SetDeadline(renewedAt);
        renewal = RenewAsync();
    }

    public string Job { get; }

    public long Epoch { get; }

    /// <summary>
    /// Cancelled when the lease could not be renewed in time or was taken by another worker. On a machine that was suspended it may come late: the
    /// epoch, which the table checks, does not.
    /// </summary>
    public CancellationToken Lost => lost.Token;

    /// <summary>Right before each write: a process that was stopped, or a machine that was suspended, finds out here before any timer fires.</summary>
    /// <exception cref="OperationCanceledException">The lease was not renewed in time, by one of the machine's two clocks.</exception>
    public void EnsureHeld()
    {
        lost.Token.ThrowIfCancellationRequested();
        if (Age() >= options.Duration - options.Margin)
        {
            Lose("it could not be renewed in time");
            lost.Token.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Why <see cref="Lost"/> was cancelled.</summary>
    public string? LostReason { get; private set; }

    internal string Token { get; }

    /// <summary>Ends the renewal and gives the lease back, so that the next worker need not wait.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
        {
            return;
        }

        await stop.CancelAsync();
        await renewal;
        await deadline.DisposeAsync();
        if (!lost.IsCancellationRequested)
        {
            await ReleaseAsync();
        }

        stop.Dispose();
    }

    private async Task RenewAsync()
    {
        var pause = options.RenewEvery;
        while (!lost.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(pause, time, stop.Token);
                var (began, at) = (time.GetTimestamp(), time.GetUtcNow());
                await UpdateAsync("SET version = :v", stop.Token);
                lock (guard)
                {
                    renewed = (began, at);
                }

                SetDeadline(began);
                pause = options.RenewEvery;
            }
            catch (ConditionalCheckFailedException)
            {
                Lose("another worker has taken it");
                return;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception)
            {
                // Whatever it is, the deadline decides: until then it is tried again.
                pause = options.RetryAfter;
            }
        }
    }

    /// <summary>Changes the item while this acquisition still holds it. That an answer got lost does no harm: the condition is on what does not change.</summary>
    private async Task UpdateAsync(string expression, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(options.AttemptTime, time);
        using var registration = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), limit);
        var request = new UpdateItemRequest
        {
            TableName = place.Table,
            Key = place.Key(Job),
            UpdateExpression = expression,
            ConditionExpression = "epoch = :e AND #t = :t",
            ExpressionAttributeNames = new Dictionary<string, string> { ["#t"] = LeaseItem.TokenName },
            ExpressionAttributeValues = new Dictionary<string, AttributeValue>
            {
                [":e"] = ControlItemBuilder.Number(Epoch),
                [":t"] = new(Token),
                [":v"] = new(Guid.NewGuid().ToString("N")),
            },
        };
        if (expression.Contains("#u", StringComparison.Ordinal))
        {
            request.ExpressionAttributeNames["#u"] = "user";
        }

        await ControlCalls.OnceAsync(token => place.Client.UpdateItemAsync(request, token), limit.Token);
    }

    private static readonly TimeSpan ReleaseTime = TimeSpan.FromMilliseconds(400);

    private async Task ReleaseAsync()
    {
        // A stopped command ends within a second, also when the way to the table is gone.
        using var moment = new CancellationTokenSource(ReleaseTime, time);
        try
        {
            await UpdateAsync("SET version = :v REMOVE holder, machine, bootId, pidNamespace, processId, processStart, #u", moment.Token);
        }
        catch (Exception)
        {
            // Not given back, it runs out by itself; the job's own outcome matters more.
        }
    }

    private void SetDeadline(long renewedAt)
    {
        var left = options.Duration - options.Margin - time.GetElapsedTime(renewedAt);
        deadline.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The monotonic clock stands still while a machine is suspended, the other may be set: the larger age counts.</summary>
    private TimeSpan Age()
    {
        lock (guard)
        {
            var (monotonic, wall) = (time.GetElapsedTime(renewed.Timestamp), time.GetUtcNow() - renewed.At);
            return monotonic > wall ? monotonic : wall;
        }
    }

    private void Lose(string reason)
    {
        LostReason ??= reason;
        lost.Cancel();
    }
}
