using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>The end of the binlog as the server tells it, and which databases it leaves out.</summary>
/// <param name="GtidExecuted">MySQL's <c>gtid_executed</c>; empty elsewhere.</param>
/// <param name="DoDb"><c>binlog_do_db</c>: when not empty, only changes of these databases are written. Names separated by commas, as the server prints them.</param>
/// <param name="IgnoreDb"><c>binlog_ignore_db</c>: changes of these databases are not written, unless <paramref name="DoDb"/> decides.</param>
internal sealed record BinlogStatus(string File, long Offset, string GtidExecuted, string DoDb, string IgnoreDb)
{
    public static async Task<BinlogStatus> ReadAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        // MySQL 8.2 gave the statement its new name, 8.4 took the old one away.
        var statement = server.Flavor == SourceFlavor.MySql && server.Version >= new Version(8, 2) ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
        try
        {
            await using var command = new MySqlCommand(statement, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken))
            {
                throw new MigrationException("BinlogDisabled", MigrationErrorKind.WrongState, $"The source answers {statement} with nothing: it writes no binlog. Start it with log_bin.", server.VersionText);
            }

            return new BinlogStatus(
                reader.GetString(0),
                Convert.ToInt64(reader.GetValue(1), CultureInfo.InvariantCulture),
                reader.FieldCount > 4 ? reader.GetString(4).Replace("\n", "", StringComparison.Ordinal) : "",
                reader.Text(2) ?? "",
                reader.Text(3) ?? "");
        }
        catch (MySqlException e) when (e.Number == 1227)
        {
            throw new MigrationException(
                "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
                $"The source account may not ask for the binlog position: {ErrorText.Sentence(e)} Grant REPLICATION CLIENT (MariaDB: BINLOG MONITOR) ON *.* TO the account.", "REPLICATION CLIENT", e);
        }
    }
}
