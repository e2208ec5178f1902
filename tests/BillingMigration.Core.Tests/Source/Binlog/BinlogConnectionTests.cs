using BillingMigration.Definition;
using BillingMigration.Source.Binlog;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>The change stream of both servers, from both kinds of position.</summary>
public sealed class BinlogConnectionTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task Events_come_from_a_position_on(bool mariaDb, bool byGtid)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)); INSERT INTO t VALUES (1, 'before the position')");
        var start = await server.EndAsync(byGtid);
        await using var stream = await server.FollowAsync(start, Cancel);
        await stream.ReadUntilAsync(e => Replica.TypeOf(e) == Replica.FormatDescription, Cancel);
        await database.ExecuteAsync("INSERT INTO t VALUES (2, 'after the position')");
        await stream.ReadUntilAsync(
            e =>
            {
                Assert.False(e.AsSpan().IndexOf("before the position"u8) >= 0);
                return e.AsSpan().IndexOf("after the position"u8) >= 0;
            },
            Cancel);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_compressed_connection_brings_the_same_events(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)");
        var start = await server.EndAsync(byGtid: true);
        var rows = string.Join(';', Enumerable.Range(1, 300).Select(i => $"INSERT INTO t VALUES ({i}, REPEAT('row {i} ', 10 * {i % 50}))"));
        await database.ExecuteAsync($"{rows}; INSERT INTO t VALUES (1000, CONCAT(REPEAT('a long one ', 800000), SHA2('x', 512))); CREATE TABLE the_end (id INT)");
        var source = Replica.SourceOf(server);
        var plain = await ReadAsync(source);
        var compressed = await ReadAsync(source with { Compression = true });
        Assert.Equal(plain.Count, compressed.Count);
        Assert.All(plain.Zip(compressed), pair => Assert.True(pair.First.AsSpan().SequenceEqual(pair.Second)));

        async Task<List<byte[]>> ReadAsync(SourceDefinition from)
        {
            var all = new List<byte[]>();
            await using var stream = await BinlogConnection.OpenAsync(from, Replica.Root, start, new BinlogConnectionOptions { HeartbeatPeriod = TimeSpan.FromMinutes(1) }, TimeProvider.System, Cancel);
            await stream.ReadUntilAsync(
                e =>
                {
                    all.Add(e);
                    return e.AsSpan().IndexOf("the_end"u8) >= 0;
                },
                Cancel);
            return all;
        }
    }
}
