using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Sync;

/// <summary>What stops the sync, in words for the operator.</summary>
internal static class SyncErrors
{
    public static MigrationException SnapshotIncomplete(string migration, SnapshotRun? run) => new(
        "SnapshotIncomplete", MigrationErrorKind.WrongState,
        run is null
            ? $"The migration {migration} has no snapshot yet, so there is nothing that changes could follow. Run Export-BillingSnapshot first."
            : $"The snapshot {run.RunId} of {migration} is not complete, so its changes cannot be followed yet. Run Export-BillingSnapshot again until it is.", migration);

    public static MigrationException IdentityChanged(SourcePosition position, string identity, string host) => new(
        "SourceIdentityChanged", MigrationErrorKind.WrongState,
        $"The checkpoint {position} is a place in the binlog of server {position.ServerIdentity}, and {host} is server {identity}: without GTIDs its files are others. Connect to the first server, or begin a new snapshot with Export-BillingSnapshot -Restart.", host);

    public static MigrationException SchemaChanged(StatementVerdict statement, string place) => new(
        "SchemaChanged", MigrationErrorKind.WrongState,
        $"The source changed the migrated table {statement.Table} by {statement.Kind} at {place}, which cannot be followed row by row. Everything before it is written. Look at the change, adapt migration.json if it is wanted, and begin a new snapshot with Export-BillingSnapshot -Restart.", statement.Table);

    public static MigrationException StatementNotCaptured(StatementVerdict statement, string place) => new(
        "StatementNotCaptured", MigrationErrorKind.WrongState,
        $"The binlog has a statement ({statement.Kind}) on the migrated table {statement.Table} at {place} instead of the rows that it changed: a session had binlog_format other than ROW. Everything before it is written. SET GLOBAL binlog_format = ROW, let every application connect again, and begin a new snapshot with Export-BillingSnapshot -Restart.", statement.Table);

    public static MigrationException LookupNotFollowed(string entity, string table, string why, string remedy) => new(
        "LookupNotCaptured", MigrationErrorKind.WrongState,
        $"The keys of {entity} are made with a lookup in {table}, and its changes cannot be followed: {why}. {remedy}, and begin a new snapshot with Export-BillingSnapshot -Restart.", entity);

    public static MigrationException LookupBehindCascade(string parent, string place) => new(
        "LookupNotCaptured", MigrationErrorKind.WrongState,
        $"A row of {parent} was deleted, or its key changed, at {place}, and foreign keys that the source does not log hand that on to rows whose keys are made with a lookup. Everything before it is written. Give those foreign keys the rule RESTRICT, or use MySQL 9.6 or later with innodb_native_foreign_keys=OFF, and begin a new snapshot with Export-BillingSnapshot -Restart.", parent);

    public static MigrationException LookupInXa(string table, string place) => new(
        "LookupNotCaptured", MigrationErrorKind.WrongState,
        $"An XA transaction changes a row of {table} at {place}, and keys are made with a lookup there: what the lookup gives when the transaction ends cannot be told when it is prepared. Everything before it is written. Change such tables without XA, and begin a new snapshot with Export-BillingSnapshot -Restart.", table);

    public static MigrationException CascadeColumnExcluded(string parent, string child) => new(
        "CascadeNotCaptured", MigrationErrorKind.WrongState,
        $"A change of {parent} reaches rows of {child} by a foreign key that the source does not log, and a column of that key is excluded by migration.json. Include it, and begin a new snapshot with Export-BillingSnapshot -Restart.", child);

    public static MigrationException CascadeByText(string parent, string child, string key) => new(
        "CascadeNotCaptured", MigrationErrorKind.WrongState,
        $"A row of {parent} was deleted, or its key changed, and the foreign key {key} of {child} may have changed rows with it, which the source does not log. The key is a text: which rows it refers to is decided by a collation, and only the source knows. Give the foreign key the rule RESTRICT, or use MySQL 9.6 or later with innodb_native_foreign_keys=OFF, and begin a new snapshot with Export-BillingSnapshot -Restart.", key);

    public static MigrationException CascadeApart(string parent, string place) => new(
        "CascadeNotCaptured", MigrationErrorKind.WrongState,
        $"The key of a row of {parent} changed at {place}, while the snapshot was read, and foreign keys that the source does not log hand a part of it on over two tables: what it reached cannot be told. Begin a new snapshot with Export-BillingSnapshot -Restart when no such change is made.", parent);

    public static MigrationException CascadeFromStranger(string parent, string place) => new(
        "CascadeNotCaptured", MigrationErrorKind.WrongState,
        $"The table {parent}, changed at {place}, is not migrated, and its changes reach into migrated tables by foreign keys that the source does not log. Add it to migration.json, or give the foreign keys the rule RESTRICT, and begin a new snapshot with Export-BillingSnapshot -Restart.", parent);

    public static MigrationException RowRefused(SetAsideRow row) => new(
        "RowsRefused", MigrationErrorKind.DataRefused,
        $"A changed row cannot be an item: {$"{row.Entity} {row.Key}".Trim()}: {row.ReasonId}, {row.Reason}. Everything before it is written. Correct the row in the source and run Sync-BillingChanges -SetAside, which goes past the state that cannot be an item and keeps such rows out of the table, counted.", row);

    public static MigrationException RowImageIncomplete(string table, string place) => new(
        "BinlogRowImageUnfit", MigrationErrorKind.WrongState,
        $"The binlog has a change of {table} at {place} without all of its columns: a session had binlog_row_image other than FULL. SET GLOBAL binlog_row_image = FULL, let every application connect again, and begin a new snapshot with Export-BillingSnapshot -Restart.", table);

    public static MigrationException RolledBack(string place) => new(
        "TransactionRolledBack", MigrationErrorKind.WrongState,
        $"The binlog has a transaction with rows of migrated tables at {place} that was rolled back after it had changed tables that cannot be: what of it holds cannot be told. Begin a new snapshot with Export-BillingSnapshot -Restart.", place);

    public static MigrationException XaUnknown(string xid, string place) => new(
        "XaPreparedBeforeStart", MigrationErrorKind.WrongState,
        $"The XA transaction {xid}, committed at {place}, was prepared before the snapshot's start: its rows stand in front of it in the binlog. Begin a new snapshot with Export-BillingSnapshot -Restart while no XA transaction is prepared (XA RECOVER shows them).", place);

    public static MigrationException XaTooLarge(string xid, string place) => new(
        "XaTooLarge", MigrationErrorKind.LimitExceeded,
        $"The XA transaction {xid}, prepared at {place}, changes more items than can be held until it ends. End it on the source; then begin a new snapshot with Export-BillingSnapshot -Restart.", place);

    public static MigrationException LeaseLost(Lease lease, string migration) => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"This worker lost the lease {lease.Job} of the migration {migration}: the control table could not be reached for too long, or another worker took over. What it wrote is safe; see who works with Get-BillingMigration, or run the same command again.", lease.Job);
}
