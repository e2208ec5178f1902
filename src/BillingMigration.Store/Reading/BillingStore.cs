using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>What is the same on every backend: queries are bound to the model, values become canonical texts, every row is held against the conditions.</summary>
public abstract class BillingStore : IBillingStore, IRetryClock
{
    private const int MostRows = 10_000;

    private readonly CallsUnderWay calls = new();
    private readonly ChangePlanner planner;
    private readonly TimeProvider time;

    private protected BillingStore(BillingModel model, TimeProvider time) => (Model, planner, this.time) = (model, new ChangePlanner(model, time), time);

    TimeProvider IRetryClock.Time => time;

    private protected BillingModel Model { get; }

    public Task<BillingRecord?> GetAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken = default) =>
        calls.RunAsync(() => GetOneAsync(entity, key, cancellationToken));

    public async IAsyncEnumerable<BillingRecord> QueryAsync(RecordQuery query, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var bound = BoundQuery.Bind(Model, query);
        await foreach (var row in ReadRowsAsync(bound, cancellationToken))
        {
            yield return new BillingRecord(bound.Model, row);
        }
    }

    public async Task<RecordPage> PageAsync(RecordQuery query, int size, string? continuation = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MostRows);
        var bound = BoundQuery.Bind(Model, query);
        var from = bound.From(continuation is null ? null : Continuation.Read(bound, continuation), size + 1);
        var rows = new List<RowBuffer>(size);
        return await calls.RunAsync(async () =>
        {
            await foreach (var row in ReadRowsAsync(from, cancellationToken))
            {
                if (rows.Count == size)
                {
                    return new RecordPage(Records(), Continuation.Of(bound, bound.PlaceOf(rows[^1])));
                }

                rows.Add(row);
            }

            return new RecordPage(Records(), null);
        });

        ImmutableArray<BillingRecord> Records() => [.. rows.Select(row => new BillingRecord(bound.Model, row))];
    }

    public async Task<IReadOnlyList<TotalRow>> TotalAsync(TotalQuery query, CancellationToken cancellationToken = default)
    {
        var bound = BoundTotals.Bind(Model, query);
        return await calls.RunAsync(() => TotalAsync(bound, AccessPath.Find(bound.Model, bound.Conditions, null), cancellationToken));
    }

    public async Task<ImmutableArray<BillingRecord?>> WriteAsync(UnitOfWork work, CancellationToken cancellationToken = default) =>
        work is { Changes.IsEmpty: true, Key: null } ? [] : await calls.RunAsync(() => work.Key is { } key ? WriteOnceAsync(work, key, cancellationToken) : WriteAsync(Plan(work), cancellationToken));

    /// <summary>Calls that have begun are answered first. A second time it does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (await calls.CloseAsync())
        {
            await CloseAsync();
        }

        GC.SuppressFinalize(this);
    }

    double IRetryClock.NextRandom() => NextRandom();

    /// <summary>A call that <see cref="DisposeAsync"/> waits for.</summary>
    private protected Task<T> CallAsync<T>(Func<Task<T>> call) => calls.RunAsync(call);

    private protected virtual double NextRandom() => Random.Shared.NextDouble();

    private protected abstract ValueTask CloseAsync();

    private protected ImmutableArray<PlannedChange> Plan(UnitOfWork work) => Model.Definition.View is { } view
        ? throw new StoreException(StoreError.NotSupported, view, $"The store was opened through the view '{view}', which does not show all of a row: it only reads. Open it without a view to write.")
        : planner.Plan(work);

    /// <param name="key">A row that has its primary key only.</param>
    private protected abstract Task<RowBuffer?> GetAsync(EntityModel entity, RowBuffer key, CancellationToken cancellationToken);

    /// <summary>Rows in the order of the query, more than match at the backend's will.</summary>
    /// <param name="path">The way to them in the table. Where there is none, no backend answers: an application that runs on one runs on all.</param>
    private protected abstract IAsyncEnumerable<RowBuffer> ReadAsync(BoundQuery query, AccessPath path, CancellationToken cancellationToken);

    private protected abstract Task<IReadOnlyList<TotalRow>> TotalAsync(BoundTotals query, AccessPath path, CancellationToken cancellationToken);

    private protected abstract Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken);

    private async Task<BillingRecord?> GetOneAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken)
    {
        var of = BoundQuery.EntityOf(Model, entity);
        return await GetAsync(of, BoundQuery.KeyOf(of, key), cancellationToken) is { } row ? new BillingRecord(of, row) : null;
    }

    /// <summary>The row of the call cannot be inserted twice, so nor can the unit be: whatever refuses it, a call that was made is answered from that row.</summary>
    private async Task<ImmutableArray<BillingRecord?>> WriteOnceAsync(UnitOfWork work, string key, CancellationToken cancellationToken)
    {
        var changes = Plan(work);
        try
        {
            return (await WriteAsync(changes, cancellationToken))[..^1];
        }
        catch (StoreException)
        {
            var call = new KeyedCall((entity, of) => GetOneAsync(entity, of, cancellationToken), key, work.Names);
            if (await call.FindAsync() is not { } answer)
            {
                throw;
            }

            answer.Require(work.Call, [.. changes.Take(changes[^1].Answer!.Rows)], work.Names);
            return await call.ReadAsync(answer);
        }
    }

    private async IAsyncEnumerable<RowBuffer> ReadRowsAsync(BoundQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var row in ReadAsync(query, AccessPath.Find(query.Model, query.Conditions, query), cancellationToken))
        {
            if (query.Matches(row))
            {
                yield return row;
            }
        }
    }
}
