using System.Globalization;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>A MySQL replica that takes its source's place in the midst of a trial, without the source's last transactions.</summary>
internal sealed class Failover : IAsyncDisposable
{
    private static readonly TimeSpan Lost = TimeSpan.FromSeconds(4);

    private readonly SqlServerProcess replica;

    private Failover(SqlServerProcess replica) => this.replica = replica;

    public SqlServerProcess Server => replica;

    /// <summary>Starts a replica of a server that has nothing in it yet.</summary>
    public static async Task<Failover> PrepareAsync(SqlServerProcess source, params string[] options)
    {
        var replica = await MySqlServer.StartAsync([.. options, "--server-id=77", "--log-bin=other-name"]);
        await ExecuteAsync(replica, "STOP REPLICA; RESET REPLICA ALL; RESET BINARY LOGS AND GTIDS");
        await ExecuteAsync(source, "RESET BINARY LOGS AND GTIDS");
        await ExecuteAsync(replica, string.Create(
            CultureInfo.InvariantCulture,
            $"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {source.Port}, SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA"));
        return new Failover(replica);
    }

    /// <summary>The source goes on, and the replica does not hear of it any more; then it is the source.</summary>
    /// <param name="stopWriting">Ends the writers of the old source.</param>
    public async Task PromoteAsync(Func<Task> stopWriting, CancellationToken cancellationToken)
    {
        await ExecuteAsync(replica, "STOP REPLICA IO_THREAD");
        await Task.Delay(Lost, cancellationToken);
        await stopWriting();
        await ExecuteAsync(replica, "SELECT WAIT_FOR_EXECUTED_GTID_SET((SELECT RECEIVED_TRANSACTION_SET FROM performance_schema.replication_connection_status LIMIT 1), 60); STOP REPLICA; RESET REPLICA ALL");
        foreach (var prepared in await PreparedAsync())
        {
            await ExecuteAsync(replica, $"XA ROLLBACK {prepared}");
        }
    }

    public ValueTask DisposeAsync() => replica.DisposeAsync();

    private async Task<List<string>> PreparedAsync()
    {
        var found = new List<string>();
        await using var connection = new MySqlConnection(replica.ConnectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand("XA RECOVER CONVERT XID", connection);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            var (global, text) = ((int)reader.GetInt64(1) * 2, reader.GetString(3)[2..]);
            found.Add(string.Create(CultureInfo.InvariantCulture, $"X'{text[..global]}',X'{text[global..]}',{reader.GetInt64(0)}"));
        }

        return found;
    }

    private static async Task ExecuteAsync(SqlServerProcess server, string sql)
    {
        await using var connection = new MySqlConnection(server.ConnectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 120 };
        await command.ExecuteNonQueryAsync();
    }
}
