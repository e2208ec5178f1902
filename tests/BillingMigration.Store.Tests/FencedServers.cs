using System.Collections.Concurrent;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Store.Tests;

/// <summary>
/// Source servers that a switch may fence, and DynamoDB Local for tables with streams, each lent to one test at a time: every write of a table
/// with a stream looks through the records of all tables that there were before.
/// </summary>
internal sealed class FencedServers : IAsyncDisposable
{
    private const int TablesOfOne = 4;

    private readonly ConcurrentBag<(DynamoDbLocalServer Server, int Tables)> streams = [];
    private readonly ConcurrentDictionary<bool, ConcurrentBag<SqlServerProcess>> idle = new(new Dictionary<bool, ConcurrentBag<SqlServerProcess>> { [false] = [], [true] = [] });

    public async Task<SqlServerProcess> TakeAsync(bool mariaDb) => idle[mariaDb].TryTake(out var server) ? server
        : mariaDb ? await MariaDbServer.StartAsync("--max-connections=400") : await MySqlServer.StartAsync("--max-connections=400");

    public async Task<(DynamoDbLocalServer Server, int Tables)> TakeDynamoDbAsync() =>
        streams.TryTake(out var lent) ? lent : (await DynamoDbLocalServer.StartAsync(own: true), 0);

    public async Task GiveBackAsync((DynamoDbLocalServer Server, int Tables) lent)
    {
        if (lent.Tables + 1 < TablesOfOne)
        {
            streams.Add((lent.Server, lent.Tables + 1));
        }
        else
        {
            await lent.Server.DisposeAsync();
        }
    }

    /// <summary>Drops the database; the next test has its server without a fence.</summary>
    public async Task GiveBackAsync(TestDatabase database)
    {
        var server = database.Server;
        var isMariaDb = server is MariaDbServer;
        await using (var connection = new MySqlConnection(server.ConnectionString))
        {
            await connection.OpenAsync();
            await using var open = new MySqlCommand(isMariaDb ? "SET GLOBAL read_only = OFF" : "SET GLOBAL super_read_only = OFF, read_only = OFF", connection);
            await open.ExecuteNonQueryAsync();
        }

        await database.DisposeAsync();
        idle[isMariaDb].Add(server);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in idle.Values.SelectMany(s => s))
        {
            await server.DisposeAsync();
        }

        foreach (var (server, _) in streams)
        {
            await server.DisposeAsync();
        }
    }
}
