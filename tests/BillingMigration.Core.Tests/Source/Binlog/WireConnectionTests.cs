using BillingMigration.Source.Binlog.Wire;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Statements over the client's own protocol, and what the server says of the connection.</summary>
public sealed class WireConnectionTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Statements_give_rows_nothing_or_an_error(bool mariaDb, bool compressed)
    {
        await using var connection = await OpenAsync(await servers.SourceAsync(mariaDb), compressed);
        Assert.Empty(await connection.QueryAsync("SET @a = 1", Cancel));
        Assert.Empty(await connection.QueryAsync("SELECT 1 FROM DUAL WHERE 1 = 0", Cancel));
        var rows = await connection.QueryAsync("SELECT 'Zoë', NULL, '', REPEAT('x', 70000) UNION ALL SELECT 'b', '2', 'c', REPEAT('y', 300)", Cancel);
        Assert.Equal(["Zoë", null, "", new string('x', 70000)], rows[0]);
        Assert.Equal(["b", "2", "c", new string('y', 300)], rows[1]);
        Assert.Equal(1064, (await Assert.ThrowsAsync<ServerErrorException>(() => connection.QueryAsync("SELEKT", Cancel))).Code);
        await connection.PingAsync(Cancel);
        var status = await connection.QueryAsync("SHOW SESSION STATUS WHERE Variable_name IN ('Compression', 'Ssl_version')", Cancel);
        Assert.Equal(compressed ? "ON" : "OFF", status.Single(r => r[0] == "Compression")[1]);
        Assert.Matches(@"^TLSv1\.[23]$", status.Single(r => r[0] == "Ssl_version")[1]);
    }

    private static Task<WireConnection> OpenAsync(SqlServerProcess server, bool compressed) => WireConnection.OpenAsync(
        Replica.SourceOf(server) with { Compression = compressed }, Replica.Root, null, TimeSpan.FromSeconds(30), TimeProvider.System, Cancel);
}
