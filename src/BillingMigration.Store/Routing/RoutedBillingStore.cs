using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Target;

namespace BillingMigration.Store;

/// <summary>
/// The store that an application opens once and keeps while its backend is switched: each call goes where the control table says at that moment, waits while it is being switched, and then goes to
/// the other side. A call of which nothing is written when its side closes is made again on the other.
/// </summary>
public sealed class RoutedBillingStore : IBillingStore, ILargeUnits, IRetryClock
{
    private const int RowsPerPage = 1_000;

    private readonly CallsUnderWay calls = new();
    private readonly RouteWatch watch;
    private readonly RouterPresence presence;
    private readonly RoutedBackends backends;
    private readonly ShadowReads shadow;
    private readonly OtherSide other;
    private readonly RoutingOptions options;
    private readonly TimeProvider time;
    private readonly IAsyncDisposable? target;

    internal RoutedBillingStore(RouteWatch watch, RouterPresence presence, RoutedBackends backends, RoutingOptions options, TimeProvider time, IAsyncDisposable? target)
    {
        (this.watch, this.presence, this.backends, this.options, this.time, this.target) = (watch, presence, backends, options, time, target);
        shadow = new ShadowReads(backends, options, time);
        other = new OtherSide(backends, presence, time);
        watch.OnAnswer = other.Look;
    }

    TimeProvider IRetryClock.Time => time;

    double IRetryClock.NextRandom() => Random.Shared.NextDouble();

    /// <summary>Where calls went when the control table last answered.</summary>
    public Route Route => watch.Last;

    /// <param name="definition">Of the migration.</param>
    /// <param name="credential">Of the source; it is asked for nothing while calls go to the table.</param>
    /// <param name="access">To DynamoDB.</param>
    /// <param name="options">Null: as they are by default.</param>
    /// <param name="time">Both clocks.</param>
    /// <param name="cancellationToken">Of the opening.</param>
    /// <exception cref="MigrationException">DynamoDB, or the side that calls go to, cannot be reached or refuses.</exception>
    public static async Task<RoutedBillingStore> OpenAsync(
        MigrationDefinition definition, SourceCredential credential, TargetAccess access, RoutingOptions? options, TimeProvider time, CancellationToken cancellationToken)
    {
        var wait = options ?? new RoutingOptions();
        var target = await TargetConnection.OpenAsync(definition, access, cancellationToken);
        RouteWatch? watch = null;
        RoutedBackends? backends = null;
        try
        {
            var control = new ControlTable(target.Client, definition.Target.ControlTableName, definition.Name, time);
            var presence = new RouterPresence(control.SaveRouterAsync, control.SaveRouterReadyAsync, control.RemoveRouterAsync, control.FindRouterAsync, time);
            var opened = watch = await RouteWatch.OpenAsync(control.FindRouteAsync, control.AskRouteAsync, presence, control.Table, wait, time, cancellationToken);
            backends = new RoutedBackends(async (side, token) => side == StoreBackend.MySql
                ? await MySqlBillingStore.OpenAsync(definition, credential, opened.GateOf(side), time, token)
                : await DynamoDbBillingStore.OpenAsync(definition, access, new StoreTimes(), opened.GateOf(side), time, token));
            await backends.OpenAsync(opened.Last.Backend, cancellationToken);
            return new RoutedBillingStore(watch, presence, backends, wait, time, target);
        }
        catch
        {
            await (backends?.DisposeAsync() ?? ValueTask.CompletedTask);
            await (watch?.DisposeAsync() ?? ValueTask.CompletedTask);
            await target.DisposeAsync();
            throw;
        }
    }

    public Task<BillingRecord?> GetAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken = default) =>
        ReadAsync($"Get {entity}", (store, token) => store.GetAsync(entity, key, token), ShadowReads.Compare, cancellationToken);

    public async IAsyncEnumerable<BillingRecord> QueryAsync(RecordQuery query, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? continuation = null;
        do
        {
            // Each page goes where calls go then: the next one goes on from it on either side.
            var page = await PageAsync(query, RowsPerPage, continuation, cancellationToken);
            foreach (var record in page.Records)
            {
                yield return record;
            }

            continuation = page.Continuation;
        }
        while (continuation is not null);
    }

    public Task<RecordPage> PageAsync(RecordQuery query, int size, string? continuation = null, CancellationToken cancellationToken = default) =>
        ReadAsync($"Page {query.Entity}", (store, token) => store.PageAsync(query, size, continuation, token), ShadowReads.Compare, cancellationToken);

    public Task<IReadOnlyList<TotalRow>> TotalAsync(TotalQuery query, CancellationToken cancellationToken = default) =>
        ReadAsync($"Total {query.Entity}", (store, token) => store.TotalAsync(query, token), ShadowReads.Compare, cancellationToken);

    public Task<ImmutableArray<BillingRecord?>> WriteAsync(UnitOfWork work, CancellationToken cancellationToken = default) =>
        RouteAsync(store => store.WriteAsync(work, cancellationToken), cancellationToken);

    Task<BillingRecord?> ILargeUnits.RunBillAsync(IReadOnlyDictionary<string, object?> bill, BillingColumns columns, string? key, CancellationToken cancellationToken) => RouteAsync(
        store => ILargeUnits.Of(store) is { } large ? large.RunBillAsync(bill, columns, key, cancellationToken) : RunBillAsync(store, bill, key, columns, cancellationToken), cancellationToken);

    /// <summary>Reads and then writes one unit: a way that breaks has either done nothing, or the unit's outcome is unknown, which has a name of its own.</summary>
    private static async Task<BillingRecord?> RunBillAsync(IBillingStore store, IReadOnlyDictionary<string, object?> bill, string? key, BillingColumns columns, CancellationToken cancellationToken)
    {
        try
        {
            return await store.RunBillOnceAsync(bill[columns.AccountId]!, bill, key, columns, cancellationToken);
        }
        catch (MigrationException e) when (e is { Kind: MigrationErrorKind.Unreachable, ErrorId: not StoreErrors.OutcomeUnknownId })
        {
            throw new NotRoutedException(e);
        }
    }

    /// <summary>Calls that have begun are answered first. A second time it does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!await calls.CloseAsync())
        {
            return;
        }

        await shadow.DisposeAsync();
        await watch.DisposeAsync();
        await other.DisposeAsync();
        await backends.DisposeAsync();
        await presence.DisposeAsync();
        await (target?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private async Task<T> ReadAsync<T>(string call, Func<IBillingStore, CancellationToken, Task<T>> read, Func<string, T, T, StoreDifference?> compare, CancellationToken cancellationToken)
    {
        if (!watch.IsHeld && options.ReadsGoOn)
        {
            return await read(await backends.OpenAsync(watch.Last.Backend, cancellationToken), cancellationToken);
        }

        return await AgainAsync(
            async () =>
            {
                var route = await watch.AcceptingAsync(writes: false, cancellationToken);
                var store = await backends.OpenAsync(route.Backend, cancellationToken);
                if (route.State != RouteState.Shadow)
                {
                    return await read(store, cancellationToken);
                }

                var began = time.GetTimestamp();
                var answer = await read(store, cancellationToken);
                shadow.Begin(call, answer, time.GetElapsedTime(began), read, compare);
                return answer;
            },
            cancellationToken);
    }

    /// <summary>Makes a call where calls go, and again on the other side when nothing of it was done on the one.</summary>
    private async Task<T> RouteAsync<T>(Func<IBillingStore, Task<T>> call, CancellationToken cancellationToken)
    {
        var store = default(IBillingStore);
        return await AgainAsync(
            async () =>
            {
                // What comes behind it may have been done when it fails.
                store = null;
                var route = await watch.AcceptingAsync(writes: true, cancellationToken);
                store = await backends.OpenAsync(route.Backend, cancellationToken);
                return await call(store);
            },
            cancellationToken,
            () => store is null);
    }

    /// <summary>Makes a call again, of which nothing was done, where calls go by then.</summary>
    /// <param name="mayRepeat">Whether the call may be made again when its side cannot be reached; null: always.</param>
    private Task<T> AgainAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken, Func<bool>? mayRepeat = null) => calls.RunAsync(() => RepeatAsync(call, mayRepeat, cancellationToken));

    private async Task<T> RepeatAsync<T>(Func<Task<T>> call, Func<bool>? mayRepeat, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (NotRoutedException e)
            {
                if (time.GetElapsedTime(began) >= options.MostWait)
                {
                    throw e.InnerException ?? StoreErrors.BackendDraining(watch.Last, time.GetElapsedTime(began));
                }
            }
            catch (MigrationException e) when (e is { Kind: MigrationErrorKind.Unreachable, ErrorId: not (StoreErrors.RouteUnknownId or StoreErrors.OutcomeUnknownId) } && (mayRepeat?.Invoke() ?? true))
            {
                if (time.GetElapsedTime(began) >= options.MostWait)
                {
                    throw;
                }
            }

            await watch.NextAsync(cancellationToken);
        }
    }
}
