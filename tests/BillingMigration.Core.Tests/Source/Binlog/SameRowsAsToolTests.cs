using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>What our decoder reads from a binlog file is what <c>mysqlbinlog -vv</c> and <c>mariadb-binlog -vv</c> print of it.</summary>
public sealed class SameRowsAsToolTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Scratch()
    {
        await using var server = await MySqlServer.StartAsync();
        await using var connection = new MySqlConnection(server.ConnectionString);
        await connection.OpenAsync(Cancel);
        var lines = new List<string>();
        foreach (var path in File.ReadAllLines(Environment.GetEnvironmentVariable("BINLOG_LIST")!))
        {
            foreach (var mariaDb in new[] { false, true })
            {
                string line;
                try
                {
                    var c = await RowComparison.OfAsync(path, mariaDb, connection, Cancel);
                    line = $"{path} {(mariaDb ? "mariadb" : "mysql")} ours={c.Decoded.Rows.Count} tool={c.Printed.Rows.Count} diffs={c.Differences.Count}\n    ours: {c.Decoded.Error?.ErrorId} {c.Decoded.Error?.Message}\n    tool: {c.Printed.Error?.Trim().Replace("\n", "\n          ", StringComparison.Ordinal)}\n    {string.Join("\n    ", c.Differences.Take(5))}";
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    line = $"{path} {mariaDb} EXCEPTION {e}";
                }

                lines.Add(line);
            }
        }

        File.WriteAllLines("/tmp/cmp/result.txt", lines);
    }
}
