using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Transfer;

namespace BillingMigration.Control;

/// <summary>Times of a lease.</summary>
internal sealed record LeaseOptions
{
    /// <summary>
    /// A lease that is not renewed for this long may be taken. Long enough that a link which is down for half a minute is not noticed; a holder
    /// that died on the same machine is recognised at once all the same.
    /// </summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

    public TimeSpan RenewEvery { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// A holder that could not renew writes nothing from this long before another may take the lease: clocks of two machines run at slightly different rates, and what was sent before has
    /// arrived or been reset by then.
    /// </summary>
    public TimeSpan Margin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait after a renewal that failed.</summary>
    public TimeSpan RetryAfter => RenewEvery / 6;

    /// <summary>Time of one renewal: several fit in before the holder has to stop.</summary>
    public TimeSpan AttemptTime => (Duration - Margin) / 3;

    /// <summary>A holder that cannot renew, and whose lease nobody takes, waits this long for the way to the table.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromHours(1);

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

/// <summary>
/// The right to do a job, renewed in the background until disposed. Its epoch grows with every holder and fences late writers. While it cannot be renewed in time nothing is written; it is tried on,
/// and what waited goes on when it succeeds, which it does only while nobody else has taken it.
/// </summary>
public sealed class Lease : IAsyncDisposable
{
    /// <summary>What a job waits for while <see cref="IsPaused"/>.</summary>
    public const string PausedText = "the control table does not answer: nothing is written until it does";

    private readonly LeasePlace place;
    private readonly LeaseOptions options;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource lost = new();
    private readonly CancellationTokenSource stop = new();
    private readonly ITimer deadline;
    private readonly Task renewal;
    private readonly object guard = new();
    private (long Timestamp, DateTimeOffset At) renewed;
    private CancellationTokenSource held = new();
    private TaskCompletionSource isHeld = Done();
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
        deadline = time.CreateTimer(_ => Pause(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        SetDeadline(renewedAt);
        renewal = RenewAsync();
    }

    public string Job { get; }

    public long Epoch { get; }

    /// <summary>
    /// Cancelled when the lease was taken by another worker, or could not be renewed for as long as an outage may last. On a machine that was suspended it may come late: the epoch, which the table
    /// checks, does not.
    /// </summary>
    public CancellationToken Lost => lost.Token;

    /// <summary>True while it could not be renewed in time: nothing is written.</summary>
    public bool IsPaused => !isHeld.Task.IsCompleted;

    /// <summary>
    /// Right before each write: returns when the lease was renewed in time, by both of the machine's clocks, so that a process that was stopped, or a machine that was suspended, finds out here before any
    /// timer fires.
    /// </summary>
    /// <returns>Cancelled when it is not held in time any more: a write that is under way then is to be broken off.</returns>
    /// <exception cref="OperationCanceledException">It is lost.</exception>
    public ValueTask<CancellationToken> WaitHeldAsync(CancellationToken cancellationToken)
    {
        lost.Token.ThrowIfCancellationRequested();
        if (Age() < options.Duration - options.Margin && !IsPaused)
        {
            lock (guard)
            {
                return ValueTask.FromResult(held.Token);
            }
        }

        return WaitRenewedAsync(cancellationToken);
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
        isHeld.TrySetResult();
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
                GoOn(began, at);
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
                // Whatever it is, it is tried again: the table tells whether the lease is still this holder's.
                pause = options.RetryAfter;
                if (Age() - (options.Duration - options.Margin) >= options.GiveUpAfter)
                {
                    Lose("it could not be renewed in time");
                    return;
                }
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

    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

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

    private async ValueTask<CancellationToken> WaitRenewedAsync(CancellationToken cancellationToken)
    {
        Pause();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lost.Token);
        while (true)
        {
            await isHeld.Task.WaitAsync(either.Token);
            either.Token.ThrowIfCancellationRequested();
            lock (guard)
            {
                if (isHeld.Task.IsCompleted)
                {
                    return held.Token;
                }
            }
        }
    }

    /// <summary>Nothing is written from here on, and what is under way is broken off.</summary>
    private void Pause()
    {
        CancellationTokenSource over;
        lock (guard)
        {
            var left = options.Duration - options.Margin - Age();
            if (IsPaused || left > TimeSpan.Zero)
            {
                // A timer may fire a moment early.
                deadline.Change(IsPaused ? Timeout.InfiniteTimeSpan : left < Least ? Least : left, Timeout.InfiniteTimeSpan);
                return;
            }

            isHeld = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            over = held;
        }

        over.Cancel();
    }

    private void GoOn(long began, DateTimeOffset at)
    {
        lock (guard)
        {
            renewed = (began, at);
            // The answer may have come so late that it tells nothing any more.
            if (IsPaused && Age() < options.Duration - options.Margin)
            {
                held = new CancellationTokenSource();
                isHeld.SetResult();
            }
        }

        SetDeadline(began);
    }

    private static TaskCompletionSource Done()
    {
        var done = new TaskCompletionSource();
        done.SetResult();
        return done;
    }

    private void Lose(string reason)
    {
        LostReason ??= reason;
        lost.Cancel();
        held.Cancel();
    }
}
