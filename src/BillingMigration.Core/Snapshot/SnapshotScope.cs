using System.Collections.Immutable;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Snapshot;

/// <summary>The definition bound to the live schema, and the part of it that the options choose.</summary>
internal sealed record SnapshotScope(BillingModel Model, ImmutableArray<EntityModel> Chosen)
{
    /// <exception cref="MigrationException"><c>DefinitionDoesNotFitSource</c>, <c>SourceTableNotFound</c>, <c>SystemVersionedTable</c>, <c>UnknownEntity</c>, <c>InvalidShard</c>.</exception>
    /// <exception cref="MigrationException"><c>DataKeyMissing</c>, <c>KmsKeyUnusable</c>, <c>KmsUnreachable</c>.</exception>
    public static Task<SnapshotScope> BindAsync(MigrationSession session, SnapshotOptions options, MySqlConnection connection, CancellationToken cancellationToken) =>
        BindAsync(session, options, connection, session.CipherAsync, cancellationToken);

    /// <summary>For what compares and does not write: encrypted values are all brought under one key.</summary>
    public static Task<SnapshotScope> BindForComparisonAsync(MigrationSession session, SnapshotOptions options, MySqlConnection connection, CancellationToken cancellationToken) =>
        BindAsync(session, options, connection, session.ComparingCipherAsync, cancellationToken);

    /// <summary>For a plan, which may be made before the tables are there: its items are of the right size, and go nowhere.</summary>
    public static Task<SnapshotScope> BindForPlanAsync(MigrationSession session, SnapshotOptions options, MySqlConnection connection, CancellationToken cancellationToken) =>
        BindAsync(session, options, connection, _ => Task.FromResult<AttributeCipher?>(AttributeCipher.Throwaway()), cancellationToken);

    private static async Task<SnapshotScope> BindAsync(
        MigrationSession session, SnapshotOptions options, MySqlConnection connection, Func<CancellationToken, Task<AttributeCipher?>> cipher, CancellationToken cancellationToken)
    {
        CheckOptions(session, options);
        if (session.Definition.View is { } view)
        {
            throw new MigrationException(
                "ViewNotMigrated", MigrationErrorKind.InvalidArgument, $"The session's definition is opened through the view '{view}', which does not show all of a row. Connect without it.", view);
        }

        var model = await BindModelAsync(session, connection, cipher, cancellationToken);
        return new SnapshotScope(
            model, options.Entities.IsEmpty ? model.Entities : [.. model.Entities.Where(e => options.Entities.Contains(e.Entity, StringComparer.OrdinalIgnoreCase))]);
    }

    private static async Task<BillingModel> BindModelAsync(
        MigrationSession session, MySqlConnection connection, Func<CancellationToken, Task<AttributeCipher?>> cipher, CancellationToken cancellationToken)
    {
        var definition = session.Definition;
        var fit = await DefinitionFit.RequireAsync(connection, definition, cancellationToken);
        return BillingModel.Bind(definition, fit.Tables, await SchemaInspector.AncestorsAsync(connection, fit.Tables.Values, cancellationToken), await cipher(cancellationToken));
    }

    private static void CheckOptions(MigrationSession session, SnapshotOptions options)
    {
        var known = session.Definition.Entities.Select(e => e.Entity).ToArray();
        foreach (var entity in options.Entities)
        {
            if (!known.Contains(entity, StringComparer.OrdinalIgnoreCase))
            {
                throw SnapshotErrors.UnknownEntity(entity, known);
            }
        }

        if (options.ShardCount is < 1 or > 1000 || options.ShardIndex < 0 || options.ShardIndex >= options.ShardCount)
        {
            throw SnapshotErrors.BadShard(options.ShardIndex, options.ShardCount);
        }

        if (options.Restart && options.ShardIndex > 0)
        {
            throw SnapshotErrors.RestartByOneShard();
        }
    }
}
