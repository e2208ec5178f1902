using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Rotation;

/// <summary>One pass over the segments of the table that are left: finds values under other keys, and rewrites them.</summary>
internal sealed class TablePass : IDisposable
{
    private const int Attempts = 10;

    private readonly MigrationSession session;
    private readonly RotationOptions options;
    private readonly ItemRenewal renewal;
    private readonly string table;
    private readonly TransferMetrics metrics = new();
    private readonly ItemReader reader;
    private readonly ControlCalls calls;
    private readonly TokenBucket? readUnits;
    private readonly TokenBucket? writeUnits;
    private double charged;
    private long items;
    private int waiting;

    public TablePass(MigrationSession session, RotationOptions options, AttributeCipher cipher)
    {
        this.session = session;
        this.options = options;
        table = session.Definition.Target.Table;
        renewal = new ItemRenewal(session.Definition, cipher);
        reader = new ItemReader(
            session.Target, table, metrics, session.Retry, session.Time, new TransferWindow(options.Readers, session.Retry.AttemptTimeout, session.Time));
        calls = new ControlCalls(session.Target.SingleRequests, table, session.Retry, session.Time);
        readUnits = options.ReadUnitsPerSecond is { } read ? new TokenBucket(read, session.Time) : null;
        writeUnits = (options.WriteUnitsPerSecond ?? session.Definition.Throttle.WriteUnitsPerSecond) is { } write
            ? new TokenBucket(write, session.Time) : null;
    }

    /// <summary>Items read.</summary>
    public long Items => Interlocked.Read(ref items);

    public bool IsWaiting => Volatile.Read(ref waiting) > 0;

    /// <param name="write">False: values under other keys are only counted.</param>
    /// <param name="stopReading">A segment that is under way then is not shown as read.</param>
    public async Task RunAsync(RotationState state, bool write, CancellationToken stopReading, CancellationToken abort)
    {
        var together = new ParallelOptions { MaxDegreeOfParallelism = options.Readers, CancellationToken = abort };
        await Parallel.ForEachAsync(state.SegmentsLeft(), together, async (segment, token) =>
        {
            if (stopReading.IsCancellationRequested)
            {
                return;
            }

            await foreach (var page in reader.ScanPagesAsync(segment, state.Segments, token))
            {
                using (page)
                {
                    await TakePageAsync(page, state, write, token);
                }

                await ChargeReadAsync(token);
                if (stopReading.IsCancellationRequested)
                {
                    return;
                }
            }

            state.SegmentIsRead(segment);
        });
    }

    public void Dispose() => reader.Dispose();

    private async Task TakePageAsync(ItemPage page, RotationState state, bool write, CancellationToken cancellationToken)
    {
        var stale = new List<(Dictionary<string, AttributeValue> Item, Dictionary<string, AttributeValue> Values)>();
        foreach (var json in page.Items)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Interlocked.Increment(ref items);
            var item = ItemImage.Parse(json);
            var found = renewal.Of(item);
            state.Count(found.Values.Count > 0, found.Unreadable);
            if (found.Values.Count > 0)
            {
                stale.Add((item, found.Values));
            }
        }

        if (write)
        {
            var together = new ParallelOptions { MaxDegreeOfParallelism = options.WritersPerPage, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(stale, together, async (one, token) => await RewriteAsync(one.Item, one.Values, state, token));
        }
    }

    /// <summary>An item that somebody else writes meanwhile is looked at again; one that changes all the time is left to the next pass.</summary>
    private async Task RewriteAsync(Dictionary<string, AttributeValue> item, Dictionary<string, AttributeValue> values,
        RotationState state, CancellationToken cancellationToken)
    {
        string[] keyNames = [EntityModel.PartitionKey, EntityModel.SortKey];
        var key = keyNames.ToDictionary(name => name, name => item[name]);
        for (var attempt = 0; attempt < Attempts && values.Count > 0; attempt++)
        {
            options.OnWrite?.Invoke();
            await WaitAsync(writeUnits, cancellationToken);
            if (await TryUpdateAsync(key, item, values, cancellationToken))
            {
                state.CountRewritten();
                return;
            }

            var now = await calls.RunAsync(
                "Reading an item",
                ct => session.Target.SingleRequests.GetItemAsync(new GetItemRequest { TableName = table, Key = key, ConsistentRead = true }, ct),
                cancellationToken);
            if (now.Item is not { Count: > 0 } changed)
            {
                return;
            }

            (item, values) = (changed, renewal.Of(changed).Values);
        }
    }

    private async Task<bool> TryUpdateAsync(
        Dictionary<string, AttributeValue> key, Dictionary<string, AttributeValue> item,
        Dictionary<string, AttributeValue> values, CancellationToken cancellationToken)
    {
        var names = values.Keys.ToArray();
        var request = new UpdateItemRequest
        {
            TableName = table,
            Key = key,
            UpdateExpression = "SET " + string.Join(", ", names.Select((_, i) => $"#{i} = :n{i}")),
            ConditionExpression = string.Join(" AND ", names.Select((_, i) => $"#{i} = :o{i}")),
            ExpressionAttributeNames = names.Select((name, i) => (name, i)).ToDictionary(n => $"#{n.i}", n => n.name),
            ExpressionAttributeValues = names
                .SelectMany((name, i) => new[] { KeyValuePair.Create($":n{i}", values[name]), KeyValuePair.Create($":o{i}", item[name]) }).ToDictionary(),
            ReturnConsumedCapacity = ReturnConsumedCapacity.TOTAL,
        };
        try
        {
            var answer = await calls.RunAsync("Rewriting an item with the current data key",
                ct => session.Target.SingleRequests.UpdateItemAsync(request, ct), cancellationToken);
            writeUnits?.Charge(answer.ConsumedCapacity?.CapacityUnits ?? 0);
            return true;
        }
        catch (ConditionalCheckFailedException)
        {
            // Changed meanwhile, or written by an attempt whose answer was lost.
            return false;
        }
    }

    private async Task ChargeReadAsync(CancellationToken cancellationToken)
    {
        if (readUnits is not null)
        {
            lock (metrics)
            {
                var now = metrics.ConsumedUnits;
                readUnits.Charge(now - charged);
                charged = now;
            }

            await WaitAsync(readUnits, cancellationToken);
        }
    }

    private async Task WaitAsync(TokenBucket? bucket, CancellationToken cancellationToken)
    {
        while (bucket is not null && !bucket.TryTake(0, out var wait))
        {
            Interlocked.Increment(ref waiting);
            try
            {
                await Task.Delay(wait, session.Time, cancellationToken);
            }
            finally
            {
                Interlocked.Decrement(ref waiting);
            }
        }
    }
}
