using System.Globalization;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>The source goes down or hands over to its replica: the stream goes on where it was, in files of other names.</summary>
public sealed class BinlogFailoverTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MySql_hands_over_to_its_replica()
    {
        await using var source = await MySqlServer.StartAsync("--server-id=201");
        await using var replica = await MySqlServer.StartAsync("--server-id=202", "--log-bin=other-name");
        var executed = await ScalarAsync(source, "SELECT @@global.gtid_executed");
        await replica.ExecuteAsync("STOP REPLICA; RESET REPLICA ALL; RESET BINARY LOGS AND GTIDS");
        await replica.ExecuteAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"SET GLOBAL gtid_purged = '{executed}'; CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {source.Port}, SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA"));
        await HandsOverAsync(source, replica, "SELECT WAIT_FOR_EXECUTED_GTID_SET(@gtid, 60)", "STOP REPLICA; RESET REPLICA ALL");
    }

    [Fact]
    public async Task MariaDb_hands_over_to_its_replica()
    {
        await using var source = await MariaDbServer.StartAsync("--server-id=201");
        await using var replica = await MariaDbServer.StartAsync("--server-id=202", "--log-bin=other-name", "--log-slave-updates");
        var position = await ScalarAsync(source, "SELECT @@global.gtid_binlog_pos");
        await replica.ExecuteAsync("STOP SLAVE; RESET SLAVE ALL; RESET MASTER");
        await replica.ExecuteAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"SET GLOBAL gtid_slave_pos = '{position}'; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {source.Port}, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos; START SLAVE"));
        await HandsOverAsync(source, replica, "SELECT MASTER_GTID_WAIT(@gtid, 60)", "STOP SLAVE; RESET SLAVE ALL");
    }

    private static async Task HandsOverAsync(SqlServerProcess source, SqlServerProcess replica, string wait, string leave)
    {
        var database = await source.CreateDatabaseAsync();
        var before = await source.EndAsync(byGtid: true);
        await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(80)); INSERT INTO t VALUES (1, 'from the source')");
        await using var first = await source.FollowAsync(before, Cancel);
        await first.ReadUntilAsync("from the source", Cancel);
        var seen = await source.EndAsync(byGtid: true);
        await database.ExecuteAsync("INSERT INTO t VALUES (2, 'written by the source, read at the replica')");
        var last = (await source.EndAsync(byGtid: true)).Gtid!;
        var reached = await ScalarAsync(replica, wait, last);
        // What the replica was told stays in its data folder, which other tests use after this one.
        await replica.ExecuteAsync(leave);
        Assert.Equal("0", reached);
        await replica.ExecuteAsync($"INSERT INTO `{database.Name}`.t VALUES (3, 'written by the replica')");
        await using var second = await replica.FollowAsync(seen, Cancel);
        await second.ReadUntilAsync(
            e =>
            {
                Assert.False(e.AsSpan().IndexOf("from the source"u8) >= 0);
                return e.AsSpan().IndexOf("written by the source"u8) >= 0;
            },
            Cancel);
        await second.ReadUntilAsync("written by the replica", Cancel);

        await database.DisposeAsync();
        var reading = first.ReadUntilAsync(_ => false, Cancel);
        await source.ExecuteAsync("SHUTDOWN");
        await Assert.ThrowsAsync<BinlogConnectionLostException>(() => reading);
    }

    private static async Task<string> ScalarAsync(SqlServerProcess server, string sql, string? gtid = null)
    {
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand(sql, connection) { CommandTimeout = 120 };
        command.Parameters.AddWithValue("@gtid", gtid);
        return Convert.ToString(await command.ExecuteScalarAsync(Cancel), CultureInfo.InvariantCulture) ?? "";
    }
}
