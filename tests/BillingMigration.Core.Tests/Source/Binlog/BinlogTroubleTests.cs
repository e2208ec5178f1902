using System.Buffers.Binary;
using System.Globalization;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using Microsoft.Extensions.Time.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Servers of these tests alone, whose binlogs they may purge.</summary>
public sealed class PurgeableServers : IAsyncDisposable
{
    private readonly Lazy<Task<MySqlServer>> mySql = new(() => MySqlServer.StartAsync("--max-allowed-packet=1G"));
    private readonly Lazy<Task<MariaDbServer>> mariaDb = new(() => MariaDbServer.StartAsync("--max-allowed-packet=1G"));

    public async Task<SqlServerProcess> SourceAsync(bool mariaDbFlavor) => mariaDbFlavor ? await mariaDb.Value : await mySql.Value;

    public async ValueTask DisposeAsync()
    {
        foreach (var started in new[] { mySql.IsValueCreated ? (IAsyncDisposable)await mySql.Value : null, mariaDb.IsValueCreated ? await mariaDb.Value : null })
        {
            await (started?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }
}

/// <summary>What becomes of a stream when the server, the network or the position is not as it should be.</summary>
public sealed class BinlogTroubleTests(PurgeableServers servers) : IClassFixture<PurgeableServers>
{
    private static readonly BinlogConnectionOptions Lively = new() { HeartbeatPeriod = TimeSpan.FromSeconds(1) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_quiet_server_sends_heartbeats(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var stream = await server.FollowAsync(await server.EndAsync(byGtid: true), Cancel, Lively with { HeartbeatPeriod = TimeSpan.FromMilliseconds(100) });
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.Heartbeat, Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.Heartbeat, Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_silent_connection_is_lost_after_three_heartbeats(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var proxy = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        var time = new FakeTimeProvider();
        await using var stream = await FollowAsync(server, proxy, time);
        // Before that the server may look for the place.
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) is Replica.Heartbeat or Replica.HeartbeatV2, Cancel);
        proxy.Faults.BlackHole = true;
        var reading = stream.ReadUntilAsync(_ => false, Cancel);
        while (!reading.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        var error = await Assert.ThrowsAsync<BinlogConnectionLostException>(() => reading);
        Assert.Contains("silent for 3 s", error.Message, StringComparison.Ordinal);
        Assert.True(SourceErrors.IsTransient(error));
    }

    /// <summary>An event that takes many times as long as a connection may be silent.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_large_event_over_a_slow_link_arrives(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)");
        await using var proxy = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        var options = new BinlogConnectionOptions { HeartbeatPeriod = TimeSpan.FromMilliseconds(300), StartTimeout = TimeSpan.FromSeconds(1) };
        await using var stream = await BinlogConnection.OpenAsync(
            Replica.SourceOf(server) with { Host = "127.0.0.1", Port = proxy.Port }, Replica.Root, await server.EndAsync(byGtid: true), options, TimeProvider.System, Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.Heartbeat, Cancel);
        proxy.Faults.BytesPerSecond = 500_000;
        await database.ExecuteAsync("INSERT INTO t VALUES (1, REPEAT('large', 500000))");

        Assert.True((await stream.ReadUntilAsync(e => e.Length > 2_500_000, Cancel)).AsSpan().IndexOf("largelarge"u8) > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reset_connection_is_lost_and_another_one_goes_on(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await using var proxy = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        var start = await server.EndAsync(byGtid: true);
        await using (var stream = await FollowAsync(server, proxy, TimeProvider.System, start))
        {
            var reading = stream.ReadUntilAsync(_ => false, Cancel);
            proxy.Faults.ResetConnections();
            await Assert.ThrowsAsync<BinlogConnectionLostException>(() => reading);
            proxy.Faults.RefuseConnections = true;
            var refused = await Assert.ThrowsAsync<MigrationException>(() => FollowAsync(server, proxy, TimeProvider.System, start));
            Assert.Equal(MigrationErrorKind.Unreachable, refused.Kind);
            proxy.Faults.Clear();
        }

        await database.ExecuteAsync("CREATE TABLE t (made_while_nobody_read INT)");
        await using var again = await FollowAsync(server, proxy, TimeProvider.System, start);
        await again.ReadUntilAsync("made_while_nobody_read", Cancel);
    }

    [Fact]
    public async Task A_network_that_swallows_everything_ends_the_attempt_to_connect()
    {
        var server = await servers.SourceAsync(false);
        await using var proxy = FaultProxy.Start(server.Host, server.Port, ProxiedProtocol.Tcp);
        proxy.Faults.BlackHole = true;
        var time = new FakeTimeProvider();
        var opening = BinlogConnection.OpenAsync(Through(server, proxy), Replica.Root, new BinlogStart(SourceFlavor.MySql, "", null, 0), Lively, time, Cancel);
        while (!opening.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Equal("SourceUnreachable", (await Assert.ThrowsAsync<MigrationException>(() => opening)).ErrorId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cancelled_read_ends_as_cancelled(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var stream = await server.FollowAsync(await server.EndAsync(byGtid: true), Cancel);
        using var stop = new CancellationTokenSource();
        var reading = stream.ReadUntilAsync(_ => false, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_that_the_administrator_ends_is_lost(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var stream = await server.FollowAsync(await server.EndAsync(byGtid: true), Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
        var reading = stream.ReadUntilAsync(_ => false, Cancel);
        await server.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"KILL {stream.ConnectionId}"));
        await Assert.ThrowsAsync<BinlogConnectionLostException>(() => reading);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_newer_of_two_streams_with_one_identity_stays(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        var start = await server.EndAsync(byGtid: true);
        await using var older = await server.FollowAsync(start, Cancel, Lively);
        await older.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
        await using var newer = await server.FollowAsync(start, Cancel, Lively);
        await newer.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
        var error = await Assert.ThrowsAsync<MigrationException>(() => older.ReadUntilAsync(_ => false, Cancel));
        Assert.Equal(("BinlogReplicaIdTaken", MigrationErrorKind.Busy), (error.ErrorId, error.Kind));
        await newer.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.Heartbeat, Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_position_whose_binlogs_are_purged(bool mariaDb)
    {
        // Others would miss theirs.
        await using SqlServerProcess server = mariaDb ? await MariaDbServer.StartAsync("--max-connections=100") : await MySqlServer.StartAsync("--max-connections=100");
        foreach (var byGtid in new[] { true, false })
        {
            await using var database = await server.CreateDatabaseAsync();
            await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY)");
            var start = await server.EndAsync(byGtid);
            await database.ExecuteAsync("INSERT INTO t VALUES (1); FLUSH BINARY LOGS; INSERT INTO t VALUES (2); FLUSH BINARY LOGS");
            var last = (await server.EndAsync(byGtid: false)).File;
            do
            {
                await server.ExecuteAsync($"PURGE BINARY LOGS TO '{last}'");
            }
            while (await OldestAsync(server) != last);
            var error = await FailsAsync(server, start);
            Assert.Equal(("BinlogPurged", MigrationErrorKind.NotFound), (error.ErrorId, error.Kind));
            Assert.Contains("Sync-BillingChanges -Restart", error.Message, StringComparison.Ordinal);
            Assert.Contains("binlog_expire_logs_seconds", error.Message, StringComparison.Ordinal);
        }
    }

    private static async Task<string?> OldestAsync(SqlServerProcess server)
    {
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand("SHOW BINARY LOGS", connection);
        return (string?)await command.ExecuteScalarAsync(Cancel);
    }

    [Fact]
    public async Task Transactions_that_MySql_does_not_know()
    {
        var server = await servers.SourceAsync(false);
        var executed = GtidSet.Parse((await server.EndAsync(byGtid: true)).Gtid!);
        await using var connection = await server.ConnectAsync();
        await using var command = new MySqlCommand("SELECT @@server_uuid", connection);
        executed.Add($"{await command.ExecuteScalarAsync(Cancel)}:1-1000000");
        Assert.Equal("BinlogDiverged", (await FailsAsync(server, new BinlogStart(SourceFlavor.MySql, executed.ToString(), null, 0))).ErrorId);
    }

    [Fact]
    public async Task Transactions_that_MariaDb_does_not_know()
    {
        var server = await servers.SourceAsync(true);
        Assert.Equal("BinlogDiverged", (await FailsAsync(server, new BinlogStart(SourceFlavor.MariaDb, "0-11-1000000", null, 0))).ErrorId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_event_of_more_than_two_packets_arrives_whole(bool mariaDb)
    {
        const int Length = 36_000_000;
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)");
        var start = await server.EndAsync(byGtid: true);
        await database.ExecuteAsync($"INSERT INTO t VALUES (1, REPEAT('x', {Length})); INSERT INTO t VALUES (2, 'the one after it')");
        await using var stream = await server.FollowAsync(start, Cancel);
        var large = await stream.ReadUntilAsync(e => e.Length > Length, Cancel);
        Assert.Equal(-1, large.AsSpan(large.AsSpan().IndexOf("xxxxxxxx"u8), Length).IndexOfAnyExcept((byte)'x'));
        await stream.ReadUntilAsync("the one after it", Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stream_can_end_where_the_binlog_ends(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        var start = await server.EndAsync(byGtid: true);
        await database.ExecuteAsync("CREATE TABLE the_last_one (id INT)");
        await using var stream = await server.FollowAsync(start, Cancel, new BinlogConnectionOptions { StopAtEnd = true });
        await stream.ReadUntilAsync("the_last_one", Cancel);
        while (await stream.ReadEventAsync(Cancel) is { } next)
        {
            Assert.NotEqual(0, BinaryPrimitives.ReadInt32LittleEndian(next.Span[9..]));
        }
    }

    [Fact]
    public async Task Tagged_transactions_that_were_seen_do_not_come_again()
    {
        var server = await servers.SourceAsync(false);
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("SET gtid_next = 'AUTOMATIC:billing_run'; CREATE TABLE seen_with_a_tag (id INT); SET gtid_next = 'AUTOMATIC'");
        var start = await server.EndAsync(byGtid: true);
        Assert.Contains(":billing_run:", start.Gtid, StringComparison.Ordinal);
        await database.ExecuteAsync("SET gtid_next = 'AUTOMATIC:billing_run'; CREATE TABLE new_with_a_tag (id INT); SET gtid_next = 'AUTOMATIC'");
        await using var stream = await server.FollowAsync(start, Cancel);
        await stream.ReadUntilAsync(
            e =>
            {
                Assert.False(e.AsSpan().IndexOf("seen_with_a_tag"u8) >= 0);
                return e.AsSpan().IndexOf("new_with_a_tag"u8) >= 0;
            },
            Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Events_written_without_a_checksum_come_without_one(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        try
        {
            // The first file has checksums, the second none: one stream carries both.
            var start = await server.EndAsync(byGtid: true);
            await database.ExecuteAsync("CREATE TABLE with_checksum (id INT); SET GLOBAL binlog_checksum = NONE; CREATE TABLE without_checksum (id INT)");
            await using var stream = await server.FollowAsync(start, Cancel);
            var checksummed = await stream.ReadUntilAsync("with_checksum", Cancel);
            var bare = await stream.ReadUntilAsync("without_checksum", Cancel);
            Assert.Equal((byte)')', checksummed[^5]);
            Assert.Equal(System.IO.Hashing.Crc32.HashToUInt32(checksummed.AsSpan(..^4)), BinaryPrimitives.ReadUInt32LittleEndian(checksummed.AsSpan(checksummed.Length - 4)));
            Assert.Equal((byte)')', bare[^1]);
        }
        finally
        {
            await server.ExecuteAsync("SET GLOBAL binlog_checksum = CRC32");
        }
    }

    [Fact]
    public async Task A_GTID_position_after_GTIDs_were_switched_off()
    {
        var server = await servers.SourceAsync(false);
        await using var database = await server.CreateDatabaseAsync();
        var (byGtid, byFile) = (await server.EndAsync(byGtid: true), await server.EndAsync(byGtid: false));
        try
        {
            await server.ExecuteAsync("SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = OFF");
            Assert.Equal("SourceGtidModeOff", (await FailsAsync(server, byGtid)).ErrorId);
            await database.ExecuteAsync("CREATE TABLE without_gtid (id INT)");
            await using var stream = await server.FollowAsync(byFile, Cancel);
            await stream.ReadUntilAsync("without_gtid", Cancel);
        }
        finally
        {
            await server.ExecuteAsync("SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = ON");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_first_event_has_a_checksum_whatever_the_binlog_has(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        try
        {
            await server.ExecuteAsync("SET GLOBAL binlog_checksum = NONE");
            var start = await server.EndAsync(byGtid: false);
            await using var stream = await server.FollowAsync(start, Cancel);
            var rotate = await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.Rotate, Cancel);
            Assert.Equal(System.IO.Hashing.Crc32.HashToUInt32(rotate.AsSpan(..^4)), BinaryPrimitives.ReadUInt32LittleEndian(rotate.AsSpan(rotate.Length - 4)));
            Assert.Equal(start.File, System.Text.Encoding.ASCII.GetString(rotate.AsSpan((19 + 8)..^4)));
        }
        finally
        {
            await server.ExecuteAsync("SET GLOBAL binlog_checksum = CRC32");
        }
    }

    private static async Task<MigrationException> FailsAsync(SqlServerProcess server, BinlogStart start)
    {
        await using var stream = await server.FollowAsync(start, Cancel);
        return await Assert.ThrowsAsync<MigrationException>(() => stream.ReadUntilAsync(_ => false, Cancel));
    }

    private static SourceDefinition Through(SqlServerProcess server, FaultProxy proxy) => Replica.SourceOf(server) with { Host = "127.0.0.1", Port = proxy.Port };

    /// <summary>Through the proxy, read as far as the first event that every stream has.</summary>
    private static async Task<BinlogConnection> FollowAsync(SqlServerProcess server, FaultProxy proxy, TimeProvider time, BinlogStart? start = null)
    {
        var stream = await BinlogConnection.OpenAsync(Through(server, proxy), Replica.Root, start ?? await server.EndAsync(byGtid: true), Lively, time, Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
        return stream;
    }
}
