using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Source.Binlog;

/// <summary>Whether a server takes changes from another one.</summary>
public enum ReplicaRole
{
    /// <summary>It has no replication channel.</summary>
    None,

    /// <summary>It has one, running or not.</summary>
    Replica,

    /// <summary>The account may not ask for channels, and the server has replicated, or does so now.</summary>
    ReplicaBySigns,

    /// <summary>A node of a Galera cluster: the other nodes' changes come like a replica's.</summary>
    ClusterNode,

    /// <summary>The account may not ask for channels, and nothing else says that there is one.</summary>
    Unknown,
}

/// <summary>Asks a server for its replication channels.</summary>
internal static class ReplicaChannel
{
    public static async Task<ReplicaRole> FindAsync(MySqlConnection connection, SourceServer server, CancellationToken cancellationToken)
    {
        // MySQL 8.0.22 gave the statement its new name, 8.4 took the old one away.
        var statement = server.Flavor == SourceFlavor.MariaDb ? "SHOW ALL SLAVES STATUS" : server.Version >= new Version(8, 0, 22) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS";
        try
        {
            await using var command = new MySqlCommand(statement, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken) ? ReplicaRole.Replica : ReplicaRole.None;
        }
        catch (MySqlException e) when (e.Number == 1227 && server.Flavor == SourceFlavor.MariaDb)
        {
            // REPLICA MONITOR is needed on MariaDB, and nothing else of ours needs it; on MySQL REPLICATION CLIENT is enough.
            return await ShowsSignsAsync(connection, cancellationToken) ? ReplicaRole.ReplicaBySigns : ReplicaRole.Unknown;
        }
    }

    /// <summary>What an account without privileges sees of a replica: the position it has replicated up to, and threads that run.</summary>
    private static async Task<bool> ShowsSignsAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(await SourceConnections.ScalarAsync(connection, "SELECT @@global.gtid_slave_pos", cancellationToken)))
        {
            return true;
        }

        await using var command = new MySqlCommand("SHOW GLOBAL STATUS LIKE 'Slaves_running'", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) && long.TryParse(reader.GetString(1), NumberStyles.None, CultureInfo.InvariantCulture, out var running) && running > 0;
    }
}
