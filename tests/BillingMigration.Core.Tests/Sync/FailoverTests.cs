using System.Threading.Channels;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Source.Binlog;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Tests.Source.Binlog;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Tests.Sync;

/// <summary>The address stays, another server answers: what the old one had and the new one never got is not in the table in the end.</summary>
public sealed class FailoverTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="within">True: the stream is followed all the time; false: it was stopped before and begins again after.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Transactions_that_a_new_MySql_primary_never_had_are_taken_back(bool within)
    {
        await using var old = await MySqlServer.StartAsync("--server-id=211");
        await using var next = await MySqlServer.StartAsync("--server-id=212", "--log-bin=other");
        await using var scene = await FailoverScene.CreateAsync(servers, old, next);
        await scene.ReplicateMySqlAsync();
        await scene.ExportAsync();
        await scene.SyncAsync();
        var following = within ? scene.FollowAsync() : Task.CompletedTask;

        await old.ExecuteAsync($"USE `{scene.Name}`; UPDATE charge SET amount = amount + 1 WHERE charge_id % 5 = 0; UPDATE customer SET first_name = 'replicated'");
        await scene.WaitForMySqlReplicaAsync();
        await next.ExecuteAsync("STOP REPLICA");
        await old.ExecuteAsync($"USE `{scene.Name}`; UPDATE charge SET amount = 77 WHERE charge_id % 3 = 0; DELETE FROM charge WHERE charge_id % 7 = 0; UPDATE bill SET status = 'PAID'; INSERT INTO customer (customer_id, customer_number, address) VALUES (900001, 'LOST', JSON_OBJECT())");
        if (within)
        {
            await scene.WaitForCheckpointAsync(old);
        }
        else
        {
            await scene.SyncAsync();
        }

        await next.ExecuteAsync("RESET REPLICA ALL");
        await scene.FailOverAsync();
        await next.ExecuteAsync($"USE `{scene.Name}`; UPDATE customer SET last_name = 'of the new primary' WHERE customer_id % 2 = 0; DELETE FROM service_agreement");
        await scene.StopFollowingAsync(following);

        Assert.Equal(SyncState.Consistent, (await scene.SyncAsync()).State);
        await scene.AssertEqualsNextAsync();
    }

    [Fact]
    public async Task Without_GTIDs_another_server_stops_the_sync()
    {
        await using var old = await MySqlServer.StartAsync("--server-id=213", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF");
        await using var next = await MySqlServer.StartAsync("--server-id=214", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF");
        await using var scene = await FailoverScene.CreateAsync(servers, old, next);
        await scene.ExportAsync();
        await scene.SyncAsync();
        await SampleDatabase.CreateAsync(new MySqlConnectionStringBuilder(next.ConnectionString) { Database = scene.Name }.ConnectionString, 300, 1, cancellationToken: Cancel);
        await scene.FailOverAsync();

        var error = await Assert.ThrowsAsync<MigrationException>(() => scene.SyncAsync());
        Assert.Equal("SourceIdentityChanged", error.ErrorId);
    }
}

/// <summary>Two servers behind one address.</summary>
internal sealed class FailoverScene : IAsyncDisposable
{
    private readonly SqlServerProcess old;
    private readonly SqlServerProcess next;
    private readonly TestDatabase database;
    private readonly FaultProxy address;
    private readonly SampleMigration migration;
    private readonly CancellationTokenSource stop = new();
    private readonly Channel<SyncProgress> reports = Channel.CreateUnbounded<SyncProgress>();

    private FailoverScene(SqlServerProcess old, SqlServerProcess next, TestDatabase database, FaultProxy address, SampleMigration migration) =>
        (this.old, this.next, this.database, this.address, this.migration) = (old, next, database, address, migration);

    public string Name => database.Name;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<FailoverScene> CreateAsync(TestServers servers, SqlServerProcess old, SqlServerProcess next)
    {
        var database = await old.CreateDatabaseAsync();
        await next.ExecuteAsync($"CREATE DATABASE IF NOT EXISTS `{database.Name}`");
        await SampleDatabase.CreateAsync(database.ConnectionString, 300, 1, cancellationToken: Cancel);
        var address = FaultProxy.Start(old.Host, old.Port, ProxiedProtocol.Tcp);
        var through = new MySqlConnectionStringBuilder(database.ConnectionString) { Server = "127.0.0.1", Port = (uint)address.Port };
        var migration = SampleMigration.Create(through.ConnectionString, (await servers.DynamoDbAsync()).Endpoint);
        await migration.InitializeAsync();
        return new FailoverScene(old, next, database, address, migration);
    }

    /// <summary>Makes the second server a replica of the first, from the beginning.</summary>
    public async Task ReplicateMySqlAsync()
    {
        await next.ExecuteAsync($"STOP REPLICA; RESET REPLICA ALL; DROP DATABASE IF EXISTS `{Name}`; CREATE DATABASE `{Name}`");
        await SampleDatabase.CreateAsync(new MySqlConnectionStringBuilder(next.ConnectionString) { Database = Name }.ConnectionString, 300, 1, cancellationToken: Cancel);
        var executed = await ScalarAsync(old, "SELECT @@global.gtid_executed");
        await next.ExecuteAsync("RESET BINARY LOGS AND GTIDS");
        await next.ExecuteAsync($"SET GLOBAL gtid_purged = '{executed}'; CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {old.Port}, SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA");
    }

    public async Task WaitForMySqlReplicaAsync() =>
        Assert.Equal("0", await ScalarAsync(next, $"SELECT WAIT_FOR_EXECUTED_GTID_SET('{await ScalarAsync(old, "SELECT @@global.gtid_executed")}', 60)"));

    public async Task ExportAsync()
    {
        await using var session = await migration.ConnectAsync();
        await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Progress<SnapshotProgress>(), Cancel);
    }

    public Task<SyncResult> SyncAsync() => SyncAsync(new SyncOptions(), Cancel);

    public Task FollowAsync() => SyncAsync(new SyncOptions { Until = null, Follow = true }, stop.Token);

    /// <summary>Waits until the follower says that all that the server has is in the table.</summary>
    public async Task WaitForCheckpointAsync(SqlServerProcess server)
    {
        var wanted = GtidSet.Parse(await ScalarAsync(server, "SELECT @@global.gtid_executed"));
        while (!wanted.IsSubsetOf(GtidSet.Parse((await reports.Reader.ReadAsync(Cancel)).Position.Gtid!)))
        {
        }
    }

    public Task FailOverAsync()
    {
        address.PointTo(next.Host, next.Port);
        return Task.CompletedTask;
    }

    /// <summary>Lets the follower come to the new server, and ends it.</summary>
    public async Task StopFollowingAsync(Task following)
    {
        if (following != Task.CompletedTask)
        {
            await WaitForCheckpointAsync(next);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
        }
    }

    public async Task AssertEqualsNextAsync()
    {
        var comparison = await SampleComparison.CompareAsync(new MySqlConnectionStringBuilder(next.ConnectionString) { Database = Name }.ConnectionString, migration.Client, migration.Table);
        Assert.Empty(comparison.Differences);
    }

    public async ValueTask DisposeAsync()
    {
        await migration.DropAsync();
        await migration.DisposeAsync();
        await address.DisposeAsync();
        stop.Dispose();
    }

    private async Task<SyncResult> SyncAsync(SyncOptions options, CancellationToken cancel)
    {
        await using var session = await migration.ConnectAsync();
        return await new ChangeFollower(session, options).RunAsync(new Reports(reports.Writer), cancel);
    }

    private static async Task<string> ScalarAsync(SqlServerProcess server, string sql)
    {
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 120 };
        return (Convert.ToString(await command.ExecuteScalarAsync(Cancel), System.Globalization.CultureInfo.InvariantCulture) ?? "").Replace("\n", "", StringComparison.Ordinal);
    }
}
