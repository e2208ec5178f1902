using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Source.Binlog;

/// <summary>How a foreign key's cascade shows in the binlog.</summary>
public enum ForeignKeyLogging
{
    /// <summary>Only the parent's change is logged: MySQL up to 9.5, MySQL with <c>innodb_native_foreign_keys</c>, MariaDB.</summary>
    ParentOnly,

    /// <summary>The changed child rows are logged too: MySQL 9.6 and later.</summary>
    WithChildren,
}

/// <summary>What the source is set to, as far as its change stream depends on it. Settings that the server does not have are null.</summary>
public sealed record SourceReplicationSettings
{
    /// <summary><c>log_bin</c>.</summary>
    public required bool BinlogEnabled { get; init; }

    /// <summary><c>binlog_format</c>: <c>ROW</c> is needed. Servers that know no other have the variable no more.</summary>
    public string? BinlogFormat { get; init; }

    /// <summary><c>binlog_row_image</c>: <c>FULL</c> is needed.</summary>
    public string? BinlogRowImage { get; init; }

    /// <summary><c>binlog_row_metadata</c>: with <c>FULL</c> the stream names its columns.</summary>
    public string? BinlogRowMetadata { get; init; }

    /// <summary><c>binlog_row_value_options</c>: <c>PARTIAL_JSON</c> or empty.</summary>
    public string? BinlogRowValueOptions { get; init; }

    /// <summary><c>gtid_mode</c> of MySQL.</summary>
    public string? GtidMode { get; init; }

    /// <summary><c>server_uuid</c> of MySQL.</summary>
    public string? ServerUuid { get; init; }

    public bool TransactionCompression { get; init; }

    /// <summary>Seconds that binlogs are kept; 0: for ever; null: unknown.</summary>
    public double? BinlogExpireSeconds { get; init; }

    public required ForeignKeyLogging ForeignKeyLogging { get; init; }

    /// <summary>True when the stream names its columns, so that changes of tables can be followed.</summary>
    public bool HasColumnNames => string.Equals(BinlogRowMetadata, "FULL", StringComparison.OrdinalIgnoreCase);

    public static async Task<SourceReplicationSettings> ReadAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        var variables = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        await using var command = new MySqlCommand(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', 'gtid_mode', 'server_uuid', "
            + "'binlog_transaction_compression', 'innodb_native_foreign_keys', 'binlog_expire_logs_seconds', 'expire_logs_days')", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            variables[reader.GetString(0)] = reader.GetString(1);
        }

        return From(variables, server.Flavor);
    }

    /// <exception cref="MigrationException"><c>BinlogDisabled</c>, <c>BinlogFormatUnfit</c> or <c>BinlogRowImageUnfit</c>.</exception>
    public void EnsureUsable()
    {
        if (!BinlogEnabled)
        {
            throw new MigrationException(
                "BinlogDisabled", MigrationErrorKind.WrongState,
                "The source writes no binlog, so its changes cannot be followed. Start it with log_bin, binlog_format=ROW and binlog_row_image=FULL.", "log_bin");
        }

        if (BinlogFormat is { } format && !Is(format, "ROW"))
        {
            throw new MigrationException(
                "BinlogFormatUnfit", MigrationErrorKind.WrongState,
                $"The source has binlog_format = {format}: its binlog holds statements, from which rows cannot be told. SET GLOBAL binlog_format = ROW (SET PERSIST on MySQL), let every application connect again, and begin a new snapshot with Export-BillingSnapshot -Restart.", "binlog_format");
        }

        if (BinlogRowImage is { } image && !Is(image, "FULL"))
        {
            throw new MigrationException(
                "BinlogRowImageUnfit", MigrationErrorKind.WrongState,
                $"The source has binlog_row_image = {image}: its binlog leaves out columns, from which whole items cannot be made. SET GLOBAL binlog_row_image = FULL (SET PERSIST on MySQL), let every application connect again, and begin a new snapshot with Export-BillingSnapshot -Restart.", "binlog_row_image");
        }
    }

    internal static SourceReplicationSettings From(IReadOnlyDictionary<string, string> variables, SourceFlavor flavor)
    {
        var native = variables.GetValueOrDefault("innodb_native_foreign_keys");
        return new SourceReplicationSettings
        {
            BinlogEnabled = IsOn(variables.GetValueOrDefault("log_bin")),
            BinlogFormat = variables.GetValueOrDefault("binlog_format"),
            BinlogRowImage = variables.GetValueOrDefault("binlog_row_image"),
            BinlogRowMetadata = variables.GetValueOrDefault("binlog_row_metadata"),
            BinlogRowValueOptions = variables.GetValueOrDefault("binlog_row_value_options"),
            GtidMode = variables.GetValueOrDefault("gtid_mode"),
            ServerUuid = variables.GetValueOrDefault("server_uuid"),
            TransactionCompression = IsOn(variables.GetValueOrDefault("binlog_transaction_compression")),
            BinlogExpireSeconds = Number(variables.GetValueOrDefault("binlog_expire_logs_seconds")) ?? Number(variables.GetValueOrDefault("expire_logs_days")) * 86400,
            // The variable came with the new behaviour, to switch it off.
            ForeignKeyLogging = flavor == SourceFlavor.MySql && native is not null && !IsOn(native) ? ForeignKeyLogging.WithChildren : ForeignKeyLogging.ParentOnly,
        };
    }

    private static double? Number(string? text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static bool IsOn(string? value) => value is not null && (Is(value, "ON") || value == "1");

    private static bool Is(string value, string other) => string.Equals(value, other, StringComparison.OrdinalIgnoreCase);
}
