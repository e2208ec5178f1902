using System.Collections.Immutable;
using BillingMigration.Source;
using BillingMigration.Target;

namespace BillingMigration.Control;

/// <summary>How far a migration is, as its control table says.</summary>
public sealed record MigrationState
{
    public required string Name { get; init; }

    /// <summary><c>host:port/database</c>.</summary>
    public required string Source { get; init; }

    public required string SourceVersion { get; init; }

    public required string Table { get; init; }

    public required Uri Endpoint { get; init; }

    /// <summary>Null: no export has begun.</summary>
    public SnapshotRun? Snapshot { get; init; }

    /// <summary>Checkpoint of the changes that follow the snapshot; null: none are written yet.</summary>
    public SyncCheckpoint? Sync { get; init; }

    /// <summary>Where the calls of applications go, since when and why.</summary>
    public Route Route { get; init; } = Route.First;

    /// <summary>The last switch of the applications; null: there was none.</summary>
    public SwitchRecord? Switch { get; init; }

    /// <summary>How far the table's changes are written back to the source; null: they were never.</summary>
    public ReverseCheckpoint? Reverse { get; init; }

    /// <summary>What to do next, in a sentence.</summary>
    public string NextStep => this switch
    {
        { Route: { State: RouteState.Draining } route } =>
            $"A switch is under way, or was broken off while calls wait: run Switch-BillingBackend -To {(route.Backend == StoreBackend.MySql ? "DynamoDB" : "MySql")} to finish it, or -To {(route.Backend == StoreBackend.MySql ? "MySql" : "DynamoDB")} to undo it.",
        { Switch.Outcome: null, Switch: { } begun } => $"The last switch was not finished: run Switch-BillingBackend -To {(begun.To == StoreBackend.MySql ? "MySql" : "DynamoDB")} again.",
        { Route.State: RouteState.DynamoDb } => "Run Sync-BillingChanges -Direction Reverse -Follow to keep the source in step, so that Switch-BillingBackend -To MySql can go back.",
        { Snapshot: null } => "No export has begun: run Export-BillingSnapshot.",
        { Snapshot.State: SnapshotState.Running } => FormattableString.Invariant(
            $"{Entities.Sum(e => e.RangesDone):N0} of {Entities.Sum(e => e.Ranges):N0} ranges are done, and {Items:N0} items written: run Export-BillingSnapshot again to go on with the export."),
        { Sync: null } => "Run Sync-BillingChanges to write what changed since the export began.",
        { Sync.State: SyncState.Converging } => "Run Sync-BillingChanges again until the table is consistent.",
        _ => "Run Sync-BillingChanges -Follow to keep the table in step.",
    };

    public required ImmutableArray<EntityState> Entities { get; init; }

    public long Items => Entities.Sum(e => e.Items);

    public long SetAside => Entities.Sum(e => e.SetAside);

    /// <summary>Reads the state; changes nothing.</summary>
    /// <param name="session">The migration.</param>
    /// <param name="countItems">Also count the items in the billing table by reading all of it, which consumes read capacity.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public static async Task<MigrationState> ReadAsync(MigrationSession session, bool countItems, CancellationToken cancellationToken)
    {
        var run = await session.Control.FindSnapshotAsync(cancellationToken);
        var ranges = run is null ? [] : await session.Control.ListRangesAsync(run.RunId, null, cancellationToken);
        var counted = countItems ? await ItemCensus.CountAsync(session, cancellationToken) : null;
        var byEntity = ranges.ToLookup(r => r.Entity);
        var definition = session.Definition;
        return new MigrationState
        {
            Name = definition.Name,
            Source = $"{definition.Source.Host}:{definition.Source.Port}/{definition.Source.Database}",
            SourceVersion = session.Source.Server.VersionText,
            Table = definition.Target.Table,
            Endpoint = session.Target.Endpoint,
            Snapshot = run,
            Sync = run is null ? null : await session.Control.FindSyncAsync(run.RunId, cancellationToken),
            Route = await session.Control.FindRouteAsync(cancellationToken),
            Switch = await session.Control.FindSwitchAsync(cancellationToken),
            Reverse = await session.Control.FindReverseAsync(cancellationToken),
            Entities = [.. definition.Entities.Select(e => EntityState.Of(e.Entity, e.Table, [.. byEntity[e.Entity]], counted))],
        };
    }
}

/// <param name="Items">Items written, by the checkpoints of the run.</param>
/// <param name="Counted">Items counted in the table; null when they were not counted.</param>
public sealed record EntityState(
    string Entity, string SourceTable, long Rows, long Items, long Bytes, long SetAside, int RangesDone, int Ranges, long? Counted)
{
    internal static EntityState Of(string entity, string table, ImmutableArray<SnapshotRange> ranges, IReadOnlyDictionary<string, long>? counted) => new(
        entity,
        table,
        ranges.Sum(r => r.Rows),
        ranges.Sum(r => r.Items),
        ranges.Sum(r => r.Bytes),
        ranges.Sum(r => r.SetAside),
        ranges.Count(r => r.Done),
        ranges.Length,
        counted?.GetValueOrDefault(entity));
}
