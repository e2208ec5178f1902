using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Store.DynamoDb;

/// <summary>The billing table in DynamoDB. No call scans: a query that no key answers is refused.</summary>
public sealed class DynamoDbBillingStore : BillingStore, ILargeUnits, IWarmStore
{
    private const int MostReaders = PathMerge.MostReaders;

    private static readonly TimeSpan BetweenCalls = TimeSpan.FromMilliseconds(50);

    private readonly TimeProvider time;
    private readonly StoreTimes times;
    private readonly TargetConnection target;
    private readonly ItemReader items;
    private readonly PathReader reader;
    private readonly RowFinder finder;
    private readonly DynamoDbWriter writer;
    private readonly LargeUnits large;
    private readonly IntentKeeper? keeper;
    private readonly bool ownsTarget;

    private DynamoDbBillingStore(BillingModel model, TargetConnection target, bool ownsTarget, StoreCalls calls, byte[] secret, StoreTimes times, TimeProvider time, IWriteGate? gate = null)
        : base(model, time)
    {
        this.target = target;
        this.ownsTarget = ownsTarget;
        (this.times, this.time) = (times, time);
        items = new ItemReader(target, model.Definition.Target.Table, Metrics, new RetryPolicy { GiveUpAfter = StoreTimes.Patience, Random = times.Random }, time)
        {
            Attributes = model.Definition.View is null ? null : AccessPolicy.AttributesOf(model),
        };
        reader = new PathReader(model.Definition, items);
        var keys = new ControlKeys(model.Definition, secret);
        finder = new RowFinder(model, calls, keys, items, reader);
        var side = new TableSide(model, calls, keys, new ItemCodec(), finder);
        large = new LargeUnits(side, gate);
        writer = new DynamoDbWriter(side, large, gate);
        keeper = times.IntentPeriod == Timeout.InfiniteTimeSpan || model.Definition.View is not null ? null : new IntentKeeper(large, times.IntentPeriod, time);
    }

    /// <summary>Requests and capacity units of all reads so far.</summary>
    public TransferMetrics Metrics { get; } = new();

    /// <summary>The store of a migration's table, over its connection. Of a source whose schema is not kept yet, it is read. Large units are not looked for.</summary>
    /// <exception cref="MigrationException">A side cannot be reached, or refuses.</exception>
    public static async Task<DynamoDbBillingStore> OpenAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        var schema = await StoreSchema.TryLoadAsync(session.Target.Client, session.Definition, cancellationToken) ?? await StoreSchema.ReadAsync(session, cancellationToken);
        var times = new StoreTimes { IntentPeriod = Timeout.InfiniteTimeSpan };
        var calls = new StoreCalls(session.Target.SingleRequests, times, session.Time);
        return new DynamoDbBillingStore(
            BillingModel.Bind(session.Definition, schema.Tables, cipher: await session.CipherAsync(cancellationToken)), session.Target, ownsTarget: false,
            calls, await SecretAsync(calls, session.Target, session.Definition, cancellationToken), times, session.Time);
    }

    /// <summary>Opens the table. The source is not needed: what it said of its rows is kept in the control table.</summary>
    /// <exception cref="MigrationException">DynamoDB cannot be reached, or refuses; <c>StoreSchemaMissing</c>.</exception>
    public static Task<DynamoDbBillingStore> OpenAsync(MigrationDefinition definition, TargetAccess access, TimeProvider time, CancellationToken cancellationToken) =>
        OpenAsync(definition, access, new StoreTimes(), time, cancellationToken);

    /// <inheritdoc cref="OpenAsync(MigrationDefinition, TargetAccess, TimeProvider, CancellationToken)"/>
    public static Task<DynamoDbBillingStore> OpenAsync(MigrationDefinition definition, TargetAccess access, StoreTimes times, TimeProvider time, CancellationToken cancellationToken) =>
        OpenAsync(definition, access, times, gate: null, time, cancellationToken);

    internal static async Task<DynamoDbBillingStore> OpenAsync(
        MigrationDefinition definition, TargetAccess access, StoreTimes times, IWriteGate? gate, TimeProvider time, CancellationToken cancellationToken)
    {
        var target = await TargetConnection.OpenAsync(definition, access, cancellationToken);
        try
        {
            var schema = await StoreSchema.LoadAsync(target.Client, definition, cancellationToken);
            var model = BillingModel.Bind(definition, schema.Tables);
            // A view that shows nothing encrypted needs no right to decrypt.
            if (model.Entities.Any(e => e.Attributes.Any(a => a.Encrypted)))
            {
                model = BillingModel.Bind(definition, schema.Tables, cipher: await new DataKey(target, definition, time).OpenAsync(cancellationToken));
            }

            var calls = new StoreCalls(target.SingleRequests, times, time);
            // A view only reads, and sees no claim.
            var secret = definition.View is null ? await SecretAsync(calls, target, definition, cancellationToken) : [];
            return new DynamoDbBillingStore(model, target, ownsTarget: true, calls, secret, times, time, gate);
        }
        catch
        {
            await target.DisposeAsync();
            throw;
        }
    }

    /// <summary>Trouble with it has the same names as in the commands.</summary>
    private static async Task<byte[]> SecretAsync(StoreCalls calls, TargetConnection target, MigrationDefinition definition, CancellationToken cancellationToken)
    {
        try
        {
            return await StoreSecret.OpenAsync(calls, definition, cancellationToken);
        }
        catch (Exception e) when (e is Amazon.Runtime.AmazonServiceException or Amazon.Runtime.AmazonClientException || TargetErrors.IsTransient(e))
        {
            throw TargetErrors.From(e, target.Endpoint, $"Reading table '{definition.Target.ControlTableName}'");
        }
    }

    private protected override async ValueTask CloseAsync()
    {
        if (keeper is not null)
        {
            await keeper.DisposeAsync();
        }

        items.Dispose();
        if (ownsTarget)
        {
            await target.DisposeAsync();
        }
    }

    private protected override double NextRandom() => times.Random();

    /// <summary>
    /// Finishes deletions and bill runs of more than 100 items whose owners have not gone on with them for half a minute; every open store does that from time to time by itself.
    /// </summary>
    /// <returns>How many there were.</returns>
    public Task<int> FinishLargeUnitsAsync(CancellationToken cancellationToken = default) => NamedAsync(() => large.FinishOthersAsync(all: false, cancellationToken));

    /// <summary>Finishes also those that others are still at work with: they wait for it.</summary>
    internal Task<int> FinishAllLargeUnitsAsync(CancellationToken cancellationToken) => NamedAsync(() => large.FinishOthersAsync(all: true, cancellationToken));

    Task<BillingRecord?> ILargeUnits.RunBillAsync(IReadOnlyDictionary<string, object?> bill, BillingColumns columns, string? key, CancellationToken cancellationToken) => CallAsync(() => NamedAsync(() =>
    {
        var work = new UnitOfWork { Key = key, Names = columns, Call = BillingOperations.RunBillOf(bill[columns.AccountId]!) }.Insert(BillingEntity.Bill, bill);
        var changes = Plan(work);
        return writer.RunBillAsync(changes[0], changes.Length > 1 ? changes[1] : null, columns, cancellationToken);
    }));

    Task IWarmStore.WarmAsync(int connections, bool writes, CancellationToken cancellationToken) => NamedAsync(async () =>
    {
        // Code is compiled by the first; only then is it a matter of connections. The application's own calls come between.
        foreach (var count in (int[])[1, connections / 4, connections])
        {
            await Task.Delay(BetweenCalls, time, cancellationToken);
            await Task.WhenAll(Enumerable.Range(0, count).Select(_ => items.GetAsync([RowFinder.NoItem], cancellationToken)));
            await Task.WhenAll(Enumerable.Range(0, writes ? count : 0).Select(_ => writer.RehearseAsync(cancellationToken)));
        }

        return true;
    });

    private protected override async Task<RowBuffer?> GetAsync(EntityModel entity, RowBuffer key, CancellationToken cancellationToken) =>
        // The row may hold the key in other letters: that is the same to the key, and another to who looks for it.
        await finder.FindAsync(entity, key, entity.PrimaryKey, cancellationToken) is { } row && !row.Differs(key, entity.PrimaryKey) ? row : null;

    private protected override IAsyncEnumerable<RowBuffer> ReadAsync(BoundQuery query, AccessPath path, CancellationToken cancellationToken) =>
        KeyIn(query.Model, query.Conditions, path) is { } key ? OneAsync(query, key, path, cancellationToken) : FindAsync(query, path, cancellationToken);

    private async IAsyncEnumerable<RowBuffer> OneAsync(
        BoundQuery query, ImmutableArray<int> key, AccessPath path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (await OneAsync(query.Model, query.Conditions, key, path, cancellationToken) is { } row && query.Matches(row))
        {
            yield return row;
        }
    }

    /// <summary>A unique key all of whose columns are given, where the way would be an index.</summary>
    private ImmutableArray<int>? KeyIn(EntityModel entity, ImmutableArray<BoundQueryCondition> conditions, AccessPath path)
    {
        if (path.Key.Index is null || Model.Definition.View is not null)
        {
            return null;
        }

        var given = conditions.Where(c => c.IsEqual).Select(c => c.Index).ToHashSet();
        return entity.Table.WholeUniqueKeys().Select(k => k.Columns).Prepend(entity.Table.PrimaryKey)
            .Select(k => k.Select(c => EntityModel.Find(entity.Row, null, c)).ToImmutableArray())
            .Where(k => k.All(given.Contains)).Select(k => (ImmutableArray<int>?)k).FirstOrDefault();
    }

    /// <summary>
    /// The one row that there can be, as the table has it now: an index shows its former image for a while, and the former holder of a value.
    /// </summary>
    private async Task<RowBuffer?> OneAsync(
        EntityModel entity, ImmutableArray<BoundQueryCondition> conditions, ImmutableArray<int> key, AccessPath path, CancellationToken cancellationToken)
    {
        var like = RowBuffer.AllNull(entity.Row.Length);
        foreach (var condition in conditions.Where(c => c.IsEqual))
        {
            like.Set(condition.Index, condition.Values!.Value[0]!);
        }

        // The row may hold the value in other letters, and not fulfil the other conditions.
        return await finder.FindAsync(entity, like, key, path, cancellationToken) is { } row && conditions.All(c => c.Holds(entity, row)) ? row : null;
    }

    private IAsyncEnumerable<RowBuffer> FindAsync(BoundQuery query, AccessPath path, CancellationToken cancellationToken)
    {
        IAsyncEnumerable<RowBuffer>[][] steps =
            [.. path.Steps.Select(s => s.Select(p => reader.ReadAsync(query.Model, path, p, query.Descending, path.IsExact ? query.Wanted : null, null, cancellationToken)).ToArray())];
        return path.Order == GivenOrder.None ? SortedAsync(query, steps, cancellationToken) : PathMerge.MergeAsync(query, path.Order, steps, cancellationToken);
    }

    private protected override async Task<IReadOnlyList<TotalRow>> TotalAsync(BoundTotals query, AccessPath path, CancellationToken cancellationToken)
    {
        var all = new TotalGroups(query);
        if (KeyIn(query.Model, query.Conditions, path) is { } key)
        {
            if (await OneAsync(query.Model, query.Conditions, key, path, cancellationToken) is { } row)
            {
                all.Add(row);
            }

            return all.ToRows();
        }

        await Parallel.ForEachAsync(path.Partitions, new ParallelOptions { MaxDegreeOfParallelism = MostReaders, CancellationToken = cancellationToken }, async (partition, token) =>
        {
            var own = new TotalGroups(query);
            await foreach (var row in reader.ReadAsync(query.Model, path, partition, false, null, query.Columns, token))
            {
                if (query.Matches(row))
                {
                    own.Add(row);
                }
            }

            lock (all)
            {
                all.Add(own);
            }
        });
        return all.ToRows();
    }

    private protected override Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken) =>
        NamedAsync(() => writer.WriteAsync(changes, cancellationToken));

    /// <summary>Trouble with DynamoDB has the same names as in the commands.</summary>
    private async Task<T> NamedAsync<T>(Func<Task<T>> write)
    {
        try
        {
            return await write();
        }
        catch (Exception e) when (e is Amazon.Runtime.AmazonServiceException or Amazon.Runtime.AmazonClientException or MigrationException { ErrorId: "TargetThrottled" }
            || TargetErrors.IsTransient(e))
        {
            throw Named(e);
        }
        catch (NotRoutedException e) when (e.InnerException is { } broken and not MigrationException)
        {
            throw new NotRoutedException(Named(broken));
        }

        // What a write reads first is throttled as the write is.
        MigrationException Named(Exception error) => error is MigrationException || StoreCalls.IsThrottling(error)
            ? StoreErrors.Throttled(Model.Definition.Target.Table, StoreTimes.Patience, error)
            : TargetErrors.From(error, target.Endpoint, $"Writing to table '{Model.Definition.Target.Table}'");
    }

    /// <summary>Rows that no key has in the wanted order: what is found is sorted here.</summary>
    private static async IAsyncEnumerable<RowBuffer> SortedAsync(
        BoundQuery query, IReadOnlyList<IReadOnlyList<IAsyncEnumerable<RowBuffer>>> steps, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var step in steps)
        {
            var rows = new List<RowBuffer>();
            await Parallel.ForEachAsync(step, new ParallelOptions { MaxDegreeOfParallelism = MostReaders, CancellationToken = cancellationToken }, async (partition, token) =>
            {
                await foreach (var row in partition.WithCancellation(token))
                {
                    if (query.Matches(row))
                    {
                        lock (rows)
                        {
                            rows.Add(row);
                        }
                    }
                }
            });
            rows.Sort(query.Compare);
            foreach (var row in rows)
            {
                yield return row;
            }
        }
    }
}
