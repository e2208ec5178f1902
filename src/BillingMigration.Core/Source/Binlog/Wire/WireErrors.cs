namespace BillingMigration.Source.Binlog.Wire;

/// <summary>The error for bytes that are not the MySQL protocol.</summary>
internal static class WireErrors
{
    public static MigrationException Malformed(string what) => new(
        "SourceProtocolError", MigrationErrorKind.Unexpected,
        $"The source sent bytes that are not the MySQL protocol ({what}). Check that host and port in migration.json lead to a MySQL or MariaDB server, and that nothing in between alters the connection.");
}
