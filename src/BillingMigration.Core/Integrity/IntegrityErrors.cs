using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Integrity;

/// <summary>What stops a check of the data, in words for the operator.</summary>
internal static class IntegrityErrors
{
    public static MigrationException SnapshotIncomplete(string migration, SnapshotRun? run) => new(
        "SnapshotIncomplete", MigrationErrorKind.WrongState,
        run is null
            ? $"The migration {migration} has no snapshot yet, so there is nothing to compare. Run Export-BillingSnapshot first."
            : $"The snapshot {run.RunId} of {migration} is not complete, so the table cannot be whole yet. Run Export-BillingSnapshot again until it is.", migration);

    public static MigrationException NoGoodVerdict(string migration) => new(
        "NoGoodVerdict", MigrationErrorKind.WrongState,
        $"There is no verdict of {migration} that passed for the whole table, so -Since has nothing to begin at. Run Test-MigrationIntegrity without -Since first.", migration);

    public static MigrationException HistoryChanged(SourcePosition from, string host) => BinlogErrors.HistoryChanged(
        $"the position {from}", host,
        "Run Sync-BillingChanges -Restart, which compares every entity with the source, and then Test-MigrationIntegrity without -Since.");

    public static MigrationException ChangesUnknown(IntegrityVerdict since) => new(
        "ChangesUnknown", MigrationErrorKind.WrongState,
        $"Which rows changed since {since.From} cannot be told from the binlog: a statement, a cascade that is not logged, or a change of a table's columns is in it. Run Test-MigrationIntegrity without -Since.", since.Id);

    public static MigrationException TooManyChanges(long most) => new(
        "TooManyChanges", MigrationErrorKind.LimitExceeded,
        $"More than {most:N0} rows changed since the last good verdict, and comparing everything is cheaper. Run Test-MigrationIntegrity without -Since.", most);

    public static MigrationException LeaseLost(Lease lease, string migration) => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"This worker lost the lease {lease.Job} of the migration {migration}: the control table could not be reached for too long, or another worker took over. See who works with Get-BillingMigration, or run the same command again.", lease.Job);
}
