using System.Collections.Immutable;
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

    /// <summary>The database that is migrated: what the filters below are held against.</summary>
    public string Database { get; init; } = "";

    /// <summary><c>binlog_do_db</c>: when not empty, the binlog has changes of these databases only. Names separated by commas.</summary>
    public string BinlogDoDb { get; init; } = "";

    /// <summary><c>binlog_ignore_db</c>: without <see cref="BinlogDoDb"/>, the binlog lacks changes of these databases. Names separated by commas.</summary>
    public string BinlogIgnoreDb { get; init; } = "";

    /// <summary>The server's name for the setting that the next one is about.</summary>
    public string LogReplicaUpdatesName { get; init; } = "log_replica_updates";

    /// <summary><c>log_replica_updates</c> (<c>log_slave_updates</c>): what the server replicates from another one reaches its own binlog.</summary>
    public bool LogReplicaUpdates { get; init; } = true;

    /// <summary>Whether the server takes changes from another one; asked only when it would not log them.</summary>
    public ReplicaRole ReplicaRole { get; init; }

    /// <summary><c>read_only</c>: applications write to another server.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>True when the stream names its columns, so that changes of tables can be followed.</summary>
    public bool HasColumnNames => string.Equals(BinlogRowMetadata, "FULL", StringComparison.OrdinalIgnoreCase);

    public static async Task<SourceReplicationSettings> ReadAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        var variables = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        await using var command = new MySqlCommand(
            "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'binlog_row_value_options', 'gtid_mode', 'server_uuid', "
            + "'binlog_transaction_compression', 'innodb_native_foreign_keys', 'binlog_expire_logs_seconds', 'expire_logs_days', 'binlog_expire_logs_auto_purge', "
            + "'log_replica_updates', 'log_slave_updates', 'read_only', 'wsrep_on')", connection);
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                variables[reader.GetString(0)] = reader.GetString(1);
            }
        }

        var settings = From(variables, server.Flavor);
        if (!settings.BinlogEnabled)
        {
            return settings;
        }

        var status = await BinlogStatus.ReadAsync(connection, server, cancellationToken);
        return settings with
        {
            Database = await SourceConnections.ScalarAsync(connection, "SELECT DATABASE()", cancellationToken) ?? "",
            BinlogDoDb = status.DoDb,
            BinlogIgnoreDb = status.IgnoreDb,
            ReplicaRole = settings.LogReplicaUpdates || settings.ReplicaRole == ReplicaRole.ClusterNode ? settings.ReplicaRole : await ReplicaChannel.FindAsync(connection, server, cancellationToken),
        };
    }

    /// <summary>The same over a connection of its own.</summary>
    public static async Task<SourceReplicationSettings> ReadAsync(SourceConnections source, CancellationToken cancellationToken)
    {
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        return await ReadAsync(connection, source.Server, cancellationToken);
    }

    /// <summary>What does not stop a migration, and should be known before it begins; each with its remedy.</summary>
    public ImmutableArray<string> Warnings => [.. new[] { FilterWarning(), ReplicaWarning(), ReadOnlyWarning() }.OfType<string>()];

    /// <summary>What to say when binlogs are kept for less time than a job takes; null when all is well.</summary>
    public string? ExpiryWarning(TimeSpan job) => BinlogExpireSeconds is > 0 and var kept && kept < job.TotalSeconds
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"The source keeps its binlogs for {kept / 3600:0.#} hours (binlog_expire_logs_seconds = {kept:0}), and the export is estimated at {job.TotalHours:0.#}: the changes made meanwhile could be gone before Sync-BillingChanges reads them. "
            + $"SET GLOBAL binlog_expire_logs_seconds = {Math.Ceiling(job.TotalSeconds * 3 / 86400) * 86400:0} (SET PERSIST on MySQL) until the sync has caught up.")
        : null;

    /// <exception cref="MigrationException">
    /// <c>BinlogDisabled</c>, <c>BinlogFormatUnfit</c>, <c>BinlogRowImageUnfit</c>, <c>BinlogFiltered</c> or <c>ReplicaUpdatesNotLogged</c>.
    /// </exception>
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
                $"The source has binlog_format = {format}: its binlog holds statements, from which rows cannot be told. SET GLOBAL binlog_format = ROW (SET PERSIST on MySQL), and let every application connect again. Where changes are followed already, {BinlogErrors.FromNow}", "binlog_format");
        }

        if (BinlogRowImage is { } image && !Is(image, "FULL"))
        {
            throw new MigrationException(
                "BinlogRowImageUnfit", MigrationErrorKind.WrongState,
                $"The source has binlog_row_image = {image}: its binlog leaves out columns, from which whole items cannot be made. SET GLOBAL binlog_row_image = FULL (SET PERSIST on MySQL), and let every application connect again. Where changes are followed already, {BinlogErrors.FromNow}", "binlog_row_image");
        }

        if (BinlogDoDb.Length > 0 ? !Lists(BinlogDoDb, Database, StringComparison.Ordinal) : Lists(BinlogIgnoreDb, Database, StringComparison.OrdinalIgnoreCase))
        {
            var (option, value, remedy) = BinlogDoDb.Length > 0
                ? ("binlog_do_db", BinlogDoDb, $"Add binlog_do_db = {Database} to the server's configuration, or take the option out")
                : ("binlog_ignore_db", BinlogIgnoreDb, $"Take {Database} out of the option in the server's configuration");
            throw new MigrationException(
                "BinlogFiltered", MigrationErrorKind.WrongState,
                $"The source has {option} = {value}: changes of the database {Database} never reach its binlog, so they cannot be followed. {remedy}, and restart the server. Where changes are followed already, {BinlogErrors.FromNow}", option);
        }

        if (!LogReplicaUpdates && ReplicaRole is ReplicaRole.Replica or ReplicaRole.ReplicaBySigns or ReplicaRole.ClusterNode)
        {
            throw ReplicaUpdatesNotLogged();
        }
    }

    private MigrationException ReplicaUpdatesNotLogged()
    {
        var role = ReplicaRole switch
        {
            ReplicaRole.ClusterNode => "is a node of a Galera cluster (wsrep_on = ON)",
            ReplicaRole.ReplicaBySigns => "has replicated from another server (its account may not ask for the channels; gtid_slave_pos or Slaves_running say so)",
            _ => "replicates from another server",
        };
        var other = ReplicaRole == ReplicaRole.ReplicaBySigns ? ", or, if it is no replica any more, GRANT REPLICA MONITOR ON *.* TO the account, which proves it" : ", or name the server that it replicates from as source.host in migration.json";
        return new MigrationException(
            "ReplicaUpdatesNotLogged", MigrationErrorKind.WrongState,
            $"The source {role} and has {LogReplicaUpdatesName} = OFF: what it receives from there never reaches its own binlog, so it cannot be followed. Start it with {LogReplicaUpdatesName}=ON{other}. Where changes are followed already, {BinlogErrors.FromNow}",
            LogReplicaUpdatesName);
    }

    // Rows are filtered by the database of their table, statements by the default database of their session (seen on MySQL 9.7 and MariaDB 10.11).
    private string? FilterWarning() => (BinlogDoDb, BinlogIgnoreDb) switch
    {
        ({ Length: > 0 } only, _) => $"The source has binlog_do_db = {only}: TRUNCATE, ALTER and DROP TABLE of a migrated table are not in the binlog when their session's default database is another one, and the sync does not see them. Run them after USE {Database}, or take the option out of the server's configuration.",
        (_, { Length: > 0 } not) => $"The source has binlog_ignore_db = {not}: TRUNCATE, ALTER and DROP TABLE of a migrated table are not in the binlog when such a database is their session's default, and the sync does not see them. Run them after USE {Database}, or take the option out of the server's configuration.",
        _ => null,
    };

    private string? ReplicaWarning() => !LogReplicaUpdates && ReplicaRole == ReplicaRole.Unknown
        ? $"The source account may not ask whether the server is a replica, and it has {LogReplicaUpdatesName} = OFF: if it replicates from another server, what it receives is not in its binlog and would be missed. GRANT REPLICA MONITOR ON *.* TO the account, and run the command again."
        : null;

    private string? ReadOnlyWarning() => ReadOnly
        ? "The source has read_only = ON, as a replica has: the migration follows this server, and what it has not yet received from its own source is not in the table. If applications write to another server, better name that one as source.host in migration.json."
        : null;

    internal static SourceReplicationSettings From(IReadOnlyDictionary<string, string> variables, SourceFlavor flavor)
    {
        var native = variables.GetValueOrDefault("innodb_native_foreign_keys");
        var logged = variables.ContainsKey("log_replica_updates") ? "log_replica_updates" : "log_slave_updates";
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
            BinlogExpireSeconds = variables.TryGetValue("binlog_expire_logs_auto_purge", out var purge) && !IsOn(purge)
                ? 0
                : Number(variables.GetValueOrDefault("binlog_expire_logs_seconds")) ?? Number(variables.GetValueOrDefault("expire_logs_days")) * 86400,
            // The variable came with the new behaviour, to switch it off.
            ForeignKeyLogging = flavor == SourceFlavor.MySql && native is not null && !IsOn(native) ? ForeignKeyLogging.WithChildren : ForeignKeyLogging.ParentOnly,
            LogReplicaUpdatesName = logged,
            LogReplicaUpdates = !variables.TryGetValue(logged, out var logs) || IsOn(logs),
            ReplicaRole = IsOn(variables.GetValueOrDefault("wsrep_on")) ? ReplicaRole.ClusterNode : ReplicaRole.None,
            ReadOnly = variables.TryGetValue("read_only", out var readOnly) && !Is(readOnly, "OFF") && readOnly != "0",
        };
    }

    // No database name has a comma in an option, and one that has is not taken for two others.
    private static bool Lists(string names, string name, StringComparison comparison) => $",{names},".Contains($",{name},", comparison);

    private static double? Number(string? text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static bool IsOn(string? value) => value is not null && (Is(value, "ON") || value == "1");

    private static bool Is(string value, string other) => string.Equals(value, other, StringComparison.OrdinalIgnoreCase);
}
