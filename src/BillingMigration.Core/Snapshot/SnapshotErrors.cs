using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Snapshot;

/// <summary>What stops an export, in words for the operator.</summary>
internal static class SnapshotErrors
{
    public static MigrationException SourceLost(SourceDefinition source, TimeSpan after, Exception cause) => new(
        "SourceLost", MigrationErrorKind.Unreachable,
        $"The source {source.Host}:{source.Port} has not answered for {after.TotalMinutes:0.#} minutes: {ErrorText.Sentence(cause)} Everything written is checkpointed; when the source is back, run the same command again.",
        source.Host, cause);

    public static MigrationException SourceBehindStart(SourceDefinition source, SourcePosition start) => new(
        "SourceBehindSnapshot", MigrationErrorKind.WrongState,
        $"The server that answers as {source.Host}:{source.Port} is not the one that the snapshot began on, and it has not executed everything up to the snapshot's start {start}: rows read from it could be older than the start. Wait until it has caught up, connect to the right server, or begin anew with -Restart.",
        source.Host);

    /// <summary>A run goes on with the model that it was begun with.</summary>
    /// <exception cref="MigrationException"><c>SnapshotModelChanged</c>, which names what is another.</exception>
    public static BillingModel RequireModel(SnapshotRun run, BillingModel model)
    {
        if (run.ModelDigest == model.Digest)
        {
            return model;
        }

        var what = run.ModelParts is { } then ? ModelParts.Differences(then, ModelParts.Of(model)) : "";
        throw new MigrationException(
            "SnapshotModelChanged", MigrationErrorKind.WrongState,
            $"The snapshot {run.RunId} was made with other entities, keys or columns than migration.json and the source's schema have now{(what.Length > 0 ? $" ({what})" : "")}: two models would be mixed in one table. "
            + $"Restore the definition or the schema, or {WayOn(run, model)}", run.RunId);
    }

    /// <summary>True when the model of a complete run may become this one by comparing some entities alone.</summary>
    public static bool CanBecome(SnapshotRun run, BillingModel model, IEnumerable<EntityModel> chosen) =>
        run is { State: SnapshotState.Complete, ModelParts: { } then } && ModelParts.EntitiesThatDiffer(then, model) is { Count: > 0 } others && others.IsSubsetOf(chosen.Select(e => e.Entity));

    /// <summary>The way on that costs no more than what the change concerns.</summary>
    internal static string Anew(IEnumerable<EntityModel> entities) =>
        $"run Export-BillingSnapshot -Restart -Entity {string.Join(",", entities.Select(e => e.Entity))}, then Sync-BillingChanges: "
        + "it compares what begins anew with the source, and the other entities stay as they are.";

    private static string WayOn(SnapshotRun run, BillingModel model) => CanBecome(run, model, model.Entities)
        ? Anew(model.Entities.Where(e => ModelParts.EntitiesThatDiffer(run.ModelParts!, model).Contains(e.Entity)))
        : "begin anew with Export-BillingSnapshot -Restart, for all entities.";

    public static MigrationException ShardCountChanged(SnapshotRun run, int shardCount) => new(
        "SnapshotShardCountChanged", MigrationErrorKind.WrongState,
        $"The snapshot {run.RunId} is shared by {run.ShardCount} workers, and this one was started with -ShardCount {shardCount}. Use -ShardCount {run.ShardCount}, or begin anew with -Restart.", run.RunId);

    public static MigrationException TableHoldsItems(MigrationDefinition definition) => new(
        "TableHoldsItems", MigrationErrorKind.WrongState,
        $"The table {definition.Target.Table} holds items, and no snapshot of the migration {definition.Name} has written them. Name an empty table as target.table, or take the items away. If they are this migration's own (its control "
        + "table was lost), begin with -Restart: items of the definition's entities that have no row are then deleted by Sync-BillingChanges, and other items stay as they are.", definition.Target.Table);

    public static MigrationException UnknownEntity(string entity, IEnumerable<string> known) => new(
        "UnknownEntity", MigrationErrorKind.InvalidArgument,
        $"The definition has no entity {entity}. It has: {string.Join(", ", known)}.", entity);

    public static MigrationException BadShard(int index, int count) => new(
        "InvalidShard", MigrationErrorKind.InvalidArgument,
        $"-ShardIndex {index} of -ShardCount {count} is not possible: the count is 1 to 1,000 and the index 0 to count - 1.", index);

    public static MigrationException RestartByOneShard() => new(
        "RestartNeedsFirstShard", MigrationErrorKind.InvalidArgument,
        "-Restart begins a new snapshot for all workers, so only -ShardIndex 0 may ask for it. Start that one first, then the others without -Restart.");
}
