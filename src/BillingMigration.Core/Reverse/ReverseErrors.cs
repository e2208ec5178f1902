using System.Globalization;
using BillingMigration.Control;

namespace BillingMigration.Reverse;

internal static class ReverseErrors
{
    public static MigrationException StreamMissing(string table) => new(
        "StreamMissing", MigrationErrorKind.WrongState,
        $"The table {table} has no stream with new and old images, and without it nothing that is written on DynamoDB comes back to the source. Run Initialize-BillingTable, which enables it.", table);

    public static MigrationException NotBegun(string migration) => new(
        "ReverseNotBegun", MigrationErrorKind.WrongState,
        $"The applications of migration '{migration}' were never switched to DynamoDB, so there is nothing to write back. Switch-BillingBackend -To DynamoDB begins the way back.", migration);

    public static MigrationException NotOnTable(Route route) => new(
        "ReverseNotAllowed", MigrationErrorKind.WrongState,
        $"The applications' route is {route.State} on {route.Backend}: the source is written by them, and not from the table. Run Sync-BillingChanges without -Direction Reverse.", route.State);

    public static MigrationException StreamTrimmed(string table, DateTimeOffset savedAt) => new(
        "StreamTrimmed", MigrationErrorKind.WrongState,
        string.Create(
            CultureInfo.InvariantCulture,
            $"The stream of table {table} keeps 24 hours, and what was written after {savedAt:u} is not all in it any more. Run Sync-BillingChanges -Direction Reverse -Restart: it compares the whole table with the source, writes what differs, and goes on with the stream."),
        table);

    public static MigrationException MarkRefused(string table, string reason) => new(
        "TargetRefused", MigrationErrorKind.DataRefused,
        $"The table {table} does not take the items by which the end of its stream is found (pk BILLINGMIGRATION#MARK#0, sk MARK): {ErrorText.Sentence(reason)} Make the table's keys and indexes those of the definition: Initialize-BillingTable names what differs.", table);

    public static MigrationException Refused(SetAsideRow row) => new(
        "RowRefused", MigrationErrorKind.DataRefused,
        $"The source does not take the {row.Entity} {row.Key}: {row.Reason} Correct the row in the application, or the source's schema, and run the command again; -SetAside keeps such rows back, and goes on with the others.", row.Key);

    public static MigrationException LeaseLost(Lease lease, string migration) => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"The way back of migration '{migration}' was taken over: {lease.LostReason ?? "another worker has taken it"}. Nothing is lost: the other goes on from the last checkpoint.", migration);

    public static MigrationException SourceReadOnly(string host, Exception cause) => new(
        "SourceReadOnly", MigrationErrorKind.PermissionDenied,
        $"The source {host} is read-only, and its account may not write in spite of that. GRANT CONNECTION_ADMIN (MySQL) or READ_ONLY ADMIN (MariaDB) to the account that writes back; applications must not have it.", host, cause);

    public static MigrationException WriteDenied(string table, Exception cause) => new(
        "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
        $"The source account may not write {table}: {ErrorText.Sentence(cause)} Grant it: GRANT INSERT, UPDATE, DELETE ON {table} TO the account.", table, cause);
}
