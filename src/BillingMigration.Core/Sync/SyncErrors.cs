using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>What stops the sync, in words for the operator.</summary>
internal static class SyncErrors
{
    public const string RowImageUnfit = "BinlogRowImageUnfit";

    public static MigrationException SnapshotIncomplete(string migration, SnapshotRun? run) => new(
        "SnapshotIncomplete", MigrationErrorKind.WrongState,
        run is null
            ? $"The migration {migration} has no snapshot yet, so there is nothing that changes could follow. Run Export-BillingSnapshot first."
            : $"The snapshot {run.RunId} of {migration} is not complete, so its changes cannot be followed yet. Run Export-BillingSnapshot again until it is.", migration);

    public static MigrationException IdentityChanged(SourcePosition position, string identity, string host) => new(
        "SourceIdentityChanged", MigrationErrorKind.WrongState,
        $"The checkpoint {position} is a place in the binlog of server {position.ServerIdentity}, and {host} is server {identity}: without GTIDs its files are others. Connect to the first server, or leave it: {BinlogErrors.FromNow}", host);

    public static MigrationException HistoryChanged(SourcePosition position, string host) =>
        BinlogErrors.HistoryChanged($"the checkpoint {position}", host, BinlogErrors.FromNow);

    public static MigrationException SchemaChanged(StatementOutcome statement, string place) => new(
        "SchemaChanged", MigrationErrorKind.WrongState,
        $"The source changed {statement.Tables} by {statement.Kind} at {place}, which cannot be followed row by row. Everything before it is written. "
        + $"Look at the change, adapt migration.json if it is wanted, and {SnapshotErrors.Anew(statement.Owners)}", statement.Tables);

    public static MigrationException LayoutUnknown(MigrationException why, ImmutableArray<EntityModel> entities, string place) => new(
        why.ErrorId, MigrationErrorKind.WrongState,
        $"{why.Message} They stand at {place}, and everything before it is written. "
        + $"The table was altered, or replaced, by a statement that the binlog does not show; {SnapshotErrors.Anew(entities)}",
        why.Target,
        why);

    public static MigrationException LookupByText(ParentLink link) => new(
        "LookupNotCaptured", MigrationErrorKind.WrongState,
        $"The keys of {link.Child.Entity} are made with a lookup in {link.Parent.Table.Name}, and rows refer to it by a text whose collation takes other texts for equal: which row refers to which cannot be told from the stream. Refer to it by a number, or a CHAR with a binary collation, or put the looked-up column into {link.Child.Table.Name} itself, and begin a new snapshot with Export-BillingSnapshot -Restart.", link.Child.Entity);

    public static MigrationException RowRefused(SetAsideRow row) => new(
        "RowsRefused", MigrationErrorKind.DataRefused,
        $"A changed row cannot be an item: {$"{row.Entity} {row.Key}".Trim()}: {row.ReasonId}, {row.Reason}. Everything before it is written. Correct the row in the source and run Sync-BillingChanges -SetAside, which goes past the state that cannot be an item and keeps such rows out of the table, counted.", row);

    public static MigrationException RowImageIncomplete(EntityModel table, string place) => new(
        RowImageUnfit, MigrationErrorKind.WrongState,
        $"The binlog has a change of {table.Table.Name} at {place} without all of its columns: a session had binlog_row_image other than FULL. SET GLOBAL binlog_row_image = FULL, let every application connect again, and begin it anew with Export-BillingSnapshot -Restart, "
        + "where -Entity names what the table is migrated as.", table.Table.Name);

    public static MigrationException RolledBack(string place) => new(
        "TransactionRolledBack", MigrationErrorKind.WrongState,
        $"The binlog has a transaction with rows of migrated tables at {place} that was rolled back after it had changed tables that cannot be: what of it holds cannot be told. {BinlogErrors.FromNow}", place);

    public static MigrationException XaTooLarge(string xid, string place) => new(
        "XaTooLarge", MigrationErrorKind.LimitExceeded,
        $"The XA transaction {xid}, at {place}, changes more rows than can be held until it ends (256 MB). End it on the source. {BinlogErrors.FromNow}", place);

    public static MigrationException LeaseLost(Lease lease, string migration) => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"This worker lost the lease {lease.Job} of the migration {migration}: the control table could not be reached for too long, or another worker took over. What it wrote is safe; see who works with Get-BillingMigration, or run the same command again.", lease.Job);
}
