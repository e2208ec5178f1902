using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Source;
using BillingMigration.Transfer;

namespace BillingMigration.Control;

/// <summary>The migration's own table: leases, snapshot runs, range checkpoints, rows set aside. One partition per migration.</summary>
public sealed partial class ControlTable
{
    /// <summary>Limit of TransactWriteItems.</summary>
    private const int TransactionLimit = 100;

    private readonly ControlCalls calls;
    private readonly string pk;
    private readonly LeasePlace place;

    // Which plan of an entity holds never changes once it is chosen.
    private readonly ConcurrentDictionary<(string RunId, string Entity), string> chosenPlans = new();

    public ControlTable(IAmazonDynamoDB client, string table, string migration, TimeProvider time)
        : this(client, table, migration, time, new RetryPolicy(), new LeaseOptions())
    {
    }

    internal ControlTable(IAmazonDynamoDB client, string table, string migration, TimeProvider time, RetryPolicy policy, LeaseOptions lease)
    {
        Client = client;
        Table = table;
        Migration = migration;
        Time = time;
        LeaseOptions = lease;
        pk = $"MIGRATION#{migration}";
        calls = new ControlCalls(client, table, policy, time);
        place = new LeasePlace(client, table, pk);
    }

    public string Table { get; }

    public string Migration { get; }

    internal IAmazonDynamoDB Client { get; }

    internal TimeProvider Time { get; }

    internal LeaseOptions LeaseOptions { get; }

    /// <summary>Takes the lease of a job: at once when it is free or its holder is a dead process of this machine, else after watching it stay unrenewed for its whole duration.</summary>
    /// <exception cref="MigrationException"><c>LeaseHeld</c> when the holder renews it.</exception>
    public Task<Lease> AcquireLeaseAsync(string job, CancellationToken cancellationToken) => AcquireLeaseAsync(job, LeaseHolder.Current, cancellationToken);

    internal Task<Lease> AcquireLeaseAsync(string job, LeaseHolder self, CancellationToken cancellationToken) =>
        new LeaseContest(calls, place, Migration, LeaseOptions, self, Time).AcquireAsync(job, cancellationToken);

    /// <summary>The current run, complete or not.</summary>
    public async Task<SnapshotRun?> FindSnapshotAsync(CancellationToken cancellationToken)
    {
        var current = await ReadAsync(CurrentSnapshotItem.SortKey, cancellationToken);
        return current is null ? null : (await ReadRunAsync(CurrentSnapshotItem.FromItem(current), cancellationToken)).Run;
    }

    /// <summary>
    /// Creates the run, unless another worker just did: then returns that one. Another worker's is a run that is under way; a complete one is
    /// replaced.
    /// </summary>
    public async Task<SnapshotRun> BeginSnapshotAsync(SnapshotRun run, CancellationToken cancellationToken)
    {
        var current = await FindSnapshotAsync(cancellationToken);
        return current is { State: SnapshotState.Running } ? current : await BeginSnapshotAsync(run, current?.RunId, cancellationToken);
    }

    /// <summary>Creates the run in place of the one that the caller has seen, whatever its state; when another has taken that place meanwhile, returns it.</summary>
    /// <param name="replaces">Run id that <see cref="FindSnapshotAsync"/> gave; null when there was none.</param>
    public async Task<SnapshotRun> BeginSnapshotAsync(SnapshotRun run, string? replaces, CancellationToken cancellationToken)
    {
        var pointer = new Put { TableName = Table, Item = CurrentSnapshotItem.ToItem(pk, run.RunId) };
        if (replaces is null)
        {
            pointer.ConditionExpression = "attribute_not_exists(pk)";
        }
        else
        {
            pointer.ConditionExpression = "runId = :r";
            pointer.ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":r"] = new(replaces) };
        }

        try
        {
            await TransactAsync(
                "Beginning a snapshot",
                [
                    new TransactWriteItem { Put = pointer },
                    new TransactWriteItem { Put = new Put { TableName = Table, Item = SnapshotRunItem.ToItem(pk, run), ConditionExpression = "attribute_not_exists(pk)" } },
                ],
                cancellationToken);
        }
        catch (TransactionCanceledException)
        {
            // Another worker's run stands there, or, after a lost answer, our own: either way the table says which one holds.
        }

        return await FindSnapshotAsync(cancellationToken)
            ?? throw new MigrationException(
                "ControlItemMissing", MigrationErrorKind.WrongState, $"The run '{run.RunId}' has vanished from the control table '{Table}'. Run the same command again.", Table);
    }

    /// <summary>Stores the ranges of one entity and marks it planned, unless another worker just did; returns the ranges that hold.</summary>
    public async Task<ImmutableArray<SnapshotRange>> PlanRangesAsync(
        string runId, string entity, ImmutableArray<SnapshotRange> ranges, CancellationToken cancellationToken)
    {
        if ((await ReadRunAsync(runId, cancellationToken)).Plans.ContainsKey(entity))
        {
            return await ListRangesAsync(runId, entity, cancellationToken);
        }

        var plan = Guid.NewGuid().ToString("N")[..12];
        var items = ranges.Select(r => SnapshotRangeItem.ToItem(pk, runId, plan, r)).ToList();
        await ParallelAsync(items, (item, ct) => calls.RunAsync("Storing key ranges", t => Client.PutItemAsync(Table, item, t), ct), cancellationToken);
        try
        {
            await calls.RunAsync(
                $"Planning {entity}",
                ct => Client.UpdateItemAsync(
                    new UpdateItemRequest
                    {
                        TableName = Table,
                        Key = Key(SnapshotRunItem.SortKey(runId)),
                        UpdateExpression = "SET plans.#e = :p",
                        ConditionExpression = "attribute_not_exists(plans.#e) OR plans.#e = :p",
                        ExpressionAttributeNames = new Dictionary<string, string> { ["#e"] = entity },
                        ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":p"] = new(plan) },
                    },
                    ct),
                cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            await ParallelAsync(
                items,
                (item, ct) => calls.RunAsync("Removing key ranges", t => Client.DeleteItemAsync(Table, Key(item["sk"].S), t), ct),
                cancellationToken);
        }

        return await ListRangesAsync(runId, entity, cancellationToken);
    }

    /// <summary>Ranges of the planned entities, in key order within each.</summary>
    public async Task<ImmutableArray<SnapshotRange>> ListRangesAsync(string runId, string? entity, CancellationToken cancellationToken)
    {
        var run = await ReadRunAsync(runId, cancellationToken);
        var ranges = ImmutableArray.CreateBuilder<SnapshotRange>();
        foreach (var (planned, plan) in run.Plans)
        {
            if (entity is null || entity == planned)
            {
                await foreach (var item in QueryAsync(SnapshotRangeItem.Prefix(runId, planned, plan), cancellationToken))
                {
                    ranges.Add(SnapshotRangeItem.FromItem(item));
                }
            }
        }

        return ranges.ToImmutable();
    }

    /// <summary>Moves a checkpoint, only while <paramref name="lease"/> holds (checked by the table itself, by epoch).</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public async Task SaveRangeAsync(
        Lease lease, string runId, SnapshotRange range, ImmutableArray<SetAsideRow> setAside, CancellationToken cancellationToken)
    {
        var plan = await ChosenPlanAsync(runId, range.Entity, cancellationToken);
        var writes = setAside.IsDefaultOrEmpty
            ? []
            : setAside.Select(row => SetAsideItem.ToItem(pk, runId, range.Number, row)).DistinctBy(item => item["sk"].S).ToList();

        // The range comes last: what it counts as set aside is there by then.
        writes.Add(SnapshotRangeItem.ToItem(pk, runId, plan, range));
        await WriteFencedAsync(lease, Saving(range), writes.Select(item => new TransactWriteItem { Put = new Put { TableName = Table, Item = item } }), cancellationToken);
    }

    /// <summary>Begins a range anew: its cursor, its counters and the rows that were set aside in it are forgotten.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public async Task<SnapshotRange> ResetRangeAsync(Lease lease, string runId, SnapshotRange range, CancellationToken cancellationToken)
    {
        var anew = range with { Cursor = null, Rows = 0, Items = 0, Bytes = 0, SetAside = 0, Done = false };
        var writes = new List<TransactWriteItem>();
        await foreach (var item in QueryAsync(SetAsideItem.Prefix(runId, range.Entity, range.Number), cancellationToken))
        {
            writes.Add(new TransactWriteItem { Delete = new Delete { TableName = Table, Key = Key(item["sk"].S) } });
        }

        var plan = await ChosenPlanAsync(runId, range.Entity, cancellationToken);
        writes.Add(new TransactWriteItem { Put = new Put { TableName = Table, Item = SnapshotRangeItem.ToItem(pk, runId, plan, anew) } });
        await WriteFencedAsync(lease, Saving(range), writes, cancellationToken);
        return anew;
    }

    /// <summary>
    /// Marks the run complete at <paramref name="end"/> if every range of every entity is done; returns the run as it is now. The entities are those
    /// planned in the table and those in <paramref name="run"/>'s <see cref="SnapshotRun.PlannedEntities"/>. <paramref name="end"/> must have been
    /// read after every range was seen done; <see cref="CompleteSnapshotAsync(Lease,SnapshotRun,Func{CancellationToken,Task{SourcePosition}},CancellationToken)"/> takes care of that.
    /// </summary>
    public Task<SnapshotRun> CompleteSnapshotAsync(Lease lease, SnapshotRun run, SourcePosition end, CancellationToken cancellationToken) =>
        CompleteSnapshotAsync(lease, run, _ => Task.FromResult(end), cancellationToken);

    /// <summary>Marks the run complete if every range of every entity is done, at the position that is read once that is certain.</summary>
    public async Task<SnapshotRun> CompleteSnapshotAsync(
        Lease lease, SnapshotRun run, Func<CancellationToken, Task<SourcePosition>> readEnd, CancellationToken cancellationToken)
    {
        var now = await ReadRunAsync(run.RunId, cancellationToken);
        var ranges = await ListRangesAsync(run.RunId, null, cancellationToken);
        if (now.Run.State == SnapshotState.Complete || run.PlannedEntities.Except(now.Plans.Keys).Any() || ranges.Any(r => !r.Done))
        {
            return now.Run;
        }

        var end = await readEnd(cancellationToken);
        var update = new Update
        {
            TableName = Table,
            Key = Key(SnapshotRunItem.SortKey(run.RunId)),
            UpdateExpression = "SET #s = :s, #e = :e, #c = :c",
            ConditionExpression = "attribute_exists(pk)",
            ExpressionAttributeNames = new Dictionary<string, string>
            {
                ["#s"] = SnapshotRunItem.State,
                ["#e"] = SnapshotRunItem.End,
                ["#c"] = SnapshotRunItem.CompletedAt,
            },
            ExpressionAttributeValues = new Dictionary<string, AttributeValue>
            {
                [":s"] = new(SnapshotState.Complete.ToString()),
                [":e"] = ControlItemBuilder.Position(end),
                [":c"] = ControlItemBuilder.Time(Time.GetUtcNow()),
            },
        };
        await FencedAsync(lease, "Completing the snapshot", [new TransactWriteItem { Update = update }], cancellationToken);
        return (await ReadRunAsync(run.RunId, cancellationToken)).Run;
    }

    /// <summary>Rows set aside in the run, at most <paramref name="most"/>.</summary>
    public async Task<ImmutableArray<SetAsideRow>> ListSetAsideAsync(string runId, int most, CancellationToken cancellationToken)
    {
        var rows = ImmutableArray.CreateBuilder<SetAsideRow>();
        await foreach (var row in SetAsideAsync(runId, cancellationToken))
        {
            if (rows.Count == most)
            {
                break;
            }

            rows.Add(row);
        }

        return rows.ToImmutable();
    }

    /// <summary>All rows set aside in the run, as they are read.</summary>
    public async IAsyncEnumerable<SetAsideRow> SetAsideAsync(string runId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var item in QueryAsync(SetAsideItem.Prefix(runId), cancellationToken))
        {
            yield return SetAsideItem.FromItem(item);
        }
    }

    /// <summary>The same, each with what tells it from one of the same row that is set aside later.</summary>
    internal async IAsyncEnumerable<(SetAsideRow Row, SetAsideMark Mark)> MarkedSetAsideAsync(
        string runId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var item in QueryAsync(SetAsideItem.Prefix(runId), cancellationToken))
        {
            yield return (SetAsideItem.FromItem(item), new SetAsideMark(item["sk"].S, item.GetValueOrDefault(SetAsideItem.Mark)?.S));
        }
    }

    /// <summary>A row is an item by now, or gone; where it was set aside again meanwhile, that stays.</summary>
    internal async Task ForgetSetAsideAsync(SetAsideMark mark, CancellationToken cancellationToken)
    {
        var forget = new DeleteItemRequest
        {
            TableName = Table,
            Key = Key(mark.SortKey),
            ConditionExpression = mark.Value is null ? "attribute_not_exists(#m)" : "#m = :m",
            ExpressionAttributeNames = new Dictionary<string, string> { ["#m"] = SetAsideItem.Mark },
            ExpressionAttributeValues = mark.Value is null ? null : new Dictionary<string, AttributeValue> { [":m"] = new(mark.Value) },
        };
        try
        {
            await calls.RunAsync("Forgetting rows that were set aside", t => Client.DeleteItemAsync(forget, t), cancellationToken);
        }
        catch (ConditionalCheckFailedException)
        {
            // It was set aside again.
        }
    }

    private static string Saving(SnapshotRange range) => $"Saving the checkpoint of {range.Entity}, range {range.Number}";

    /// <summary>Writes in order, in as many transactions as their limit asks for.</summary>
    private async Task WriteFencedAsync(Lease lease, string doing, IEnumerable<TransactWriteItem> writes, CancellationToken cancellationToken)
    {
        foreach (var part in writes.Chunk(TransactionLimit - 1))
        {
            await FencedAsync(lease, doing, part, cancellationToken);
        }
    }

    /// <summary>Writes only while the lease's acquisition is the current one: a worker that lost it and does not know yet is refused here.</summary>
    private async Task FencedAsync(Lease lease, string doing, IEnumerable<TransactWriteItem> writes, CancellationToken cancellationToken)
    {
        var fence = new TransactWriteItem
        {
            ConditionCheck = new ConditionCheck
            {
                TableName = Table,
                Key = place.Key(lease.Job),
                ConditionExpression = "epoch = :e AND #t = :t",
                ExpressionAttributeNames = new Dictionary<string, string> { ["#t"] = LeaseItem.TokenName },
                ExpressionAttributeValues = new Dictionary<string, AttributeValue>
                {
                    [":e"] = ControlItemBuilder.Number(lease.Epoch),
                    [":t"] = new(lease.Token),
                },
            },
        };
        try
        {
            await TransactAsync(doing, [fence, .. writes], cancellationToken);
        }
        catch (TransactionCanceledException e)
        {
            if (e.CancellationReasons is { Count: > 0 } reasons && reasons[0].Code == "ConditionalCheckFailed")
            {
                throw new MigrationException(
                    "LeaseLost",
                    MigrationErrorKind.Busy,
                    $"{doing}: this worker no longer holds the lease of job '{lease.Job}' of migration '{Migration}' ({lease.LostReason ?? "another worker has taken it"}). "
                    + "Nothing is lost: the other worker goes on from the last checkpoint.",
                    lease.Job,
                    e);
            }

            throw calls.ToError(e, doing);
        }
    }

    private Task<TransactWriteItemsResponse> TransactAsync(string doing, List<TransactWriteItem> writes, CancellationToken cancellationToken) =>
        calls.RunAsync(doing, ct => Client.TransactWriteItemsAsync(new TransactWriteItemsRequest { TransactItems = writes }, ct), cancellationToken);

    private async Task<string> ChosenPlanAsync(string runId, string entity, CancellationToken cancellationToken)
    {
        if (!chosenPlans.TryGetValue((runId, entity), out var plan))
        {
            await ReadRunAsync(runId, cancellationToken);
        }

        return plan ?? (chosenPlans.TryGetValue((runId, entity), out plan)
            ? plan
            : throw new MigrationException(
                "ControlItemMissing", MigrationErrorKind.WrongState, $"Entity {entity} is not planned in run '{runId}' of the control table '{Table}'. Run the same command again.", entity));
    }

    private async Task<SnapshotRunItem> ReadRunAsync(string runId, CancellationToken cancellationToken)
    {
        var item = await ReadAsync(SnapshotRunItem.SortKey(runId), cancellationToken)
            ?? throw new MigrationException(
                "ControlItemMissing",
                MigrationErrorKind.WrongState,
                $"The run '{runId}' is not in the control table '{Table}': it was deleted. Restore it, or begin a new snapshot.",
                runId);
        var run = SnapshotRunItem.FromItem(item);
        foreach (var (entity, plan) in run.Plans)
        {
            chosenPlans[(runId, entity)] = plan;
        }

        return run;
    }

    private async Task<Dictionary<string, AttributeValue>?> ReadAsync(string sk, CancellationToken cancellationToken)
    {
        var answer = await calls.RunAsync(
            $"Reading '{sk}' of the control table",
            ct => Client.GetItemAsync(new GetItemRequest { TableName = Table, Key = Key(sk), ConsistentRead = true }, ct),
            cancellationToken);
        return answer.IsItemSet ? answer.Item : null;
    }

    private async Task<ImmutableArray<T>> ListAsync<T>(string prefix, Func<Dictionary<string, AttributeValue>, T> read, CancellationToken cancellationToken)
    {
        var all = ImmutableArray.CreateBuilder<T>();
        await foreach (var item in QueryAsync(prefix, cancellationToken))
        {
            all.Add(read(item));
        }

        return all.ToImmutable();
    }

    private async IAsyncEnumerable<Dictionary<string, AttributeValue>> QueryAsync(
        string prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Dictionary<string, AttributeValue>? from = null;
        do
        {
            var request = new QueryRequest
            {
                TableName = Table,
                ConsistentRead = true,
                KeyConditionExpression = "pk = :p AND begins_with(sk, :s)",
                ExpressionAttributeValues = new Dictionary<string, AttributeValue> { [":p"] = new(pk), [":s"] = new(prefix) },
                ExclusiveStartKey = from,
            };
            var page = await calls.RunAsync($"Reading '{prefix}…' of the control table", ct => Client.QueryAsync(request, ct), cancellationToken);
            foreach (var item in page.Items ?? [])
            {
                yield return item;
            }

            from = page.LastEvaluatedKey is { Count: > 0 } key ? key : null;
        }
        while (from is not null);
    }

    private static Task ParallelAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, Task> action, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            items,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (item, ct) => await action(item, ct));

    private Dictionary<string, AttributeValue> Key(string sk) => new() { ["pk"] = new AttributeValue(pk), ["sk"] = new AttributeValue(sk) };
}
