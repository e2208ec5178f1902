using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Source.Binlog;
using BillingMigration.Tests.Sync;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>A source whose changes would be missed is refused before its first row is read, and before its stream is followed.</summary>
public sealed class SourceVettingTests(TestServers servers)
{
    private const long Rows = 120;
    private const string FilteredName = "vetted";
    private const string LeaveAll = "RESET REPLICA ALL";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_binlog_that_leaves_the_database_out_is_refused(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, $"--binlog-ignore-db={FilteredName}", "--binlog-ignore-db=more");
        await using var filtered = await Scenario.CreateAsync(servers, await CreateFilteredAsync(server), Rows);
        await filtered.AssertRefusedAsync("BinlogFiltered", $"binlog_ignore_db = {FilteredName},more");

        await using var other = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        Assert.Contains("binlog_ignore_db", Assert.Single((await other.PlanAsync()).Warnings), StringComparison.Ordinal);
        await other.AssertFollowedAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_binlog_of_other_databases_only_is_refused(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, $"--binlog-do-db={FilteredName}");
        await using var other = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        await other.AssertRefusedAsync("BinlogFiltered", $"binlog_do_db = {FilteredName}");

        await using var wanted = await Scenario.CreateAsync(servers, await CreateFilteredAsync(server), Rows);
        Assert.Contains("binlog_do_db", Assert.Single((await wanted.PlanAsync()).Warnings), StringComparison.Ordinal);
        await wanted.AssertFollowedAsync();
    }

    [Fact]
    public async Task A_MySql_replica_that_does_not_log_what_it_receives_is_refused()
    {
        await using var server = await MySqlServer.StartAsync("--log-replica-updates=OFF", "--server-id=301");
        await using var scenario = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        await scenario.AssertFollowedAsync();

        await server.ExecuteAsync("CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'none'");
        try
        {
            await scenario.AssertRefusedAsync("ReplicaUpdatesNotLogged", "log_replica_updates = OFF");
        }
        finally
        {
            // The channel stays in the data folder, which other tests use after this one.
            await server.ExecuteAsync(LeaveAll);
        }
    }

    [Fact]
    public async Task A_MariaDb_replica_that_does_not_log_what_it_receives_is_refused()
    {
        await using var server = await MariaDbServer.StartAsync("--server-id=301");
        await using var scenario = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        await scenario.AssertFollowedAsync();

        await server.ExecuteAsync("CHANGE MASTER 'of its own' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'none'");
        try
        {
            await scenario.AssertRefusedAsync("ReplicaUpdatesNotLogged", "log_slave_updates = OFF");
        }
        finally
        {
            await server.ExecuteAsync("RESET SLAVE 'of its own' ALL");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replica_that_logs_what_it_receives_is_a_source_like_another(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "--log-slave-updates=ON", "--server-id=302");
        await using var scenario = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        await server.ExecuteAsync(mariaDb
            ? "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'none'; SET GLOBAL read_only = ON"
            : "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'none'; SET GLOBAL read_only = ON");
        try
        {
            Assert.Contains("read_only = ON", Assert.Single((await scenario.PlanAsync()).Warnings), StringComparison.Ordinal);
            await scenario.AssertFollowedAsync();
        }
        finally
        {
            await server.ExecuteAsync(mariaDb ? "RESET SLAVE ALL" : LeaveAll);
        }
    }

    [Fact]
    public async Task Without_the_privilege_to_ask_for_channels_what_MariaDb_has_replicated_decides()
    {
        await using var server = await MariaDbServer.StartAsync("--server-id=303");
        await using var database = await server.CreateDatabaseAsync();
        // Its data may be those of a server that was a replica.
        await server.ExecuteAsync("STOP ALL SLAVES; RESET SLAVE ALL; SET GLOBAL gtid_strict_mode = OFF; SET GLOBAL gtid_slave_pos = ''");
        await database.ExecuteAsync($"CREATE OR REPLACE USER asks_little; GRANT BINLOG MONITOR ON *.* TO asks_little; GRANT SELECT ON {database.Name}.* TO asks_little");
        async Task<SourceReplicationSettings> ReadAsync()
        {
            await using var source = await SourceConnections.OpenAsync(Replica.SourceOf(server) with { Database = database.Name }, new SourceCredential("asks_little", ""), null, Cancel);
            return await SourceReplicationSettings.ReadAsync(source, Cancel);
        }

        var settings = await ReadAsync();
        settings.EnsureUsable();
        Assert.Contains("GRANT REPLICA MONITOR", Assert.Single(settings.Warnings), StringComparison.Ordinal);

        await server.ExecuteAsync("SET GLOBAL gtid_strict_mode = OFF; SET GLOBAL gtid_slave_pos = '7-999-1'");
        try
        {
            var refused = Assert.Throws<MigrationException>((await ReadAsync()).EnsureUsable);
            Assert.Equal("ReplicaUpdatesNotLogged", refused.ErrorId);
            Assert.Contains("GRANT REPLICA MONITOR", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            await server.ExecuteAsync("SET GLOBAL gtid_slave_pos = ''; DROP USER asks_little");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reads_do_not_hang_on_the_servers_defaults(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "--transaction-isolation=READ-UNCOMMITTED");
        await using var scenario = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        await server.ExecuteAsync("SET GLOBAL autocommit = 0; SET GLOBAL sql_select_limit = 2");
        await using var writer = await scenario.Database.OpenAsync();
        await ExecuteAsync(writer, "SET autocommit = 1");
        await ExecuteAsync(writer, "START TRANSACTION");
        await ExecuteAsync(writer, "UPDATE charge SET charge_id = charge_id + 900000 ORDER BY charge_id DESC LIMIT 3");

        await scenario.ExportAsync();

        await ExecuteAsync(writer, "ROLLBACK");
        await using (var session = await scenario.Migration.ConnectAsync())
        await using (var reader = await session.Source.OpenConnectionAsync(Cancel))
        {
            const string Query = "SELECT description FROM charge ORDER BY charge_id LIMIT 1";
            Assert.NotEqual("later", await SourceConnections.ScalarAsync(reader, Query, Cancel));
            await ExecuteAsync(writer, "UPDATE charge SET description = 'later'");
            Assert.Equal("later", await SourceConnections.ScalarAsync(reader, Query, Cancel));
        }

        await server.ExecuteAsync("SET GLOBAL autocommit = 1; SET GLOBAL sql_select_limit = DEFAULT");
        Assert.Equal(SyncState.Consistent, (await scenario.SyncAsync()).State);
        await scenario.AssertEqualAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Binlogs_that_go_before_the_export_can_end_are_warned_of(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "--binlog-expire-logs-seconds=20");
        await using var scenario = await Scenario.CreateAsync(servers, await server.CreateDatabaseAsync(), Rows);
        var plan = await scenario.PlanAsync(new SnapshotOptions { ItemsPerSecond = 1 });
        Assert.Contains("SET GLOBAL binlog_expire_logs_seconds = 86400 ", Assert.Single(plan.Warnings), StringComparison.Ordinal);
        Assert.Empty((await scenario.PlanAsync(new SnapshotOptions { ItemsPerSecond = 10 })).Warnings);
    }

    private static async Task<SqlServerProcess> StartAsync(bool mariaDb, params string[] options) =>
        mariaDb ? await MariaDbServer.StartAsync(options) : await MySqlServer.StartAsync(options);

    private static async Task<TestDatabase> CreateFilteredAsync(SqlServerProcess server)
    {
        await server.ExecuteAsync($"DROP DATABASE IF EXISTS {FilteredName}; CREATE DATABASE {FilteredName} CHARACTER SET utf8mb4");
        return new TestDatabase(server, FilteredName);
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
