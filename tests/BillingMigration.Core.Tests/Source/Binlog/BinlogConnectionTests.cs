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
}
