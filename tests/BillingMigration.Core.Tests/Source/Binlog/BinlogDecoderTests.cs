using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using BillingMigration.Torture;
using MySqlConnector;
using SampleBilling;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>The events of real binlog files, beside what the servers' own tools print of the same files.</summary>
public sealed class BinlogDecoderTests
{
    private const int Transactions = 400;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_same_events_as_the_servers_tool_prints(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb);
        var path = await WriteAsync(server);

        var seen = await CountAsync(path);

        // Lines such as: #261123 22:56:01 server id 1  end_log_pos 1234 CRC32 0x… 	Write_rows: table id 90 flags: STMT_END_F
        var printed = await BinlogFiles.PrintAsync(server, path, "--base64-output=DECODE-ROWS");
        int Printed(params string[] marks) => printed.Count(l => l.StartsWith('#') && marks.Any(m => l.Contains(m, StringComparison.Ordinal)));
        Assert.Equal(Printed("\tTable_map:"), seen[nameof(TableMapEvent)]);
        Assert.Equal(Printed("\tWrite_", "\tUpdate_", "\tDelete_"), seen[nameof(RowsEvent)]);
        Assert.Equal(Printed("\tXid = "), seen[nameof(XidEvent)]);
        Assert.Equal(Printed("\tGTID", "\tAnonymous_GTID"), seen[nameof(GtidEvent)]);
        Assert.Equal(Printed("\tQuery\t", "\tQuery_compressed\t"), seen[nameof(QueryEvent)]);
        Assert.True(seen[nameof(RowsEvent)] > Transactions);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_table_map_describes_its_table(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb);
        var path = await WriteAsync(server);

        var maps = new HashSet<TableMap>();
        await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, Cancel), Path.GetFileName(path));
        while (await decoder.ReadAsync(Cancel) is { } found)
        {
            if (found is TableMapEvent map)
            {
                maps.Add(map.Table);
            }
        }

        var charge = maps.Last(m => m.Table == "charge");
        Assert.True(charge.HasNames);
        Assert.Equal(
            ["charge_id", "account_id", "subscriber_id", "bill_id", "charge_type", "description", "quantity", "amount", "tax_amount", "charged_at", "created_at"],
            charge.Columns.Select(c => c.Name));
        Assert.Equal([true, true, true, true], charge.Columns.Take(4).Select(c => c.Unsigned));
        Assert.Equal([false, false, true, true], charge.Columns.Take(4).Select(c => c.Nullable));
        Assert.Equal(["RECURRING", "USAGE", "ONE_TIME", "DISCOUNT", "ADJUSTMENT"], charge.Columns[4].Members.Select(System.Text.Encoding.UTF8.GetString));
        Assert.Equal((BinlogColumnType.NewDecimal, (16 << 8) | 6), (charge.Columns[6].Type, charge.Columns[6].Metadata));
        Assert.Equal((BinlogColumnType.DateTime2, 6), (charge.Columns[9].Type, charge.Columns[9].Metadata));
        Assert.InRange(maps.Count, 6, 20);
    }

    [Fact]
    public async Task Tags_of_GTIDs_are_read()
    {
        await using var server = await MySqlServer.StartAsync("--sync-binlog=0");
        await using var database = await server.CreateDatabaseAsync();
        // Its data may be an earlier run's.
        var tag = "t" + Guid.NewGuid().ToString("N")[..20];
        await database.ExecuteAsync($"CREATE TABLE t (id INT PRIMARY KEY); SET gtid_next = 'AUTOMATIC:{tag}'; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); SET gtid_next = 'AUTOMATIC'; INSERT INTO t VALUES (3)");
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT CONCAT(@@server_uuid, '|', @@gtid_executed)", connection);
        var answer = ((string)(await command.ExecuteScalarAsync(Cancel))!).Split('|');
        var path = await BinlogFiles.CloseCurrentAsync(server);

        var gtids = new List<string>();
        await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, Cancel), Path.GetFileName(path));
        while (await decoder.ReadAsync(Cancel) is { } found)
        {
            if (found is GtidEvent gtid)
            {
                Assert.NotNull(gtid.CommitMicroseconds);
                Assert.InRange(DateTimeOffset.UnixEpoch.AddMicroseconds(gtid.CommitMicroseconds.Value), gtid.Timestamp.AddSeconds(-1), gtid.Timestamp.AddHours(1));
                gtids.Add(gtid.Gtid!);
            }
        }

        Assert.Contains($"{answer[0]}:{tag}:1", gtids);
        Assert.Contains($"{answer[0]}:{tag}:2", gtids);
        Assert.Contains($":{tag}:1-2", answer[1].Replace("\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(gtids.Count - 2, gtids.Count(g => g.Count(c => c == ':') == 1));
    }

    // With options a server of the test's own, so that nobody else writes into its binlog.
    private static async Task<SqlServerProcess> StartAsync(bool mariaDb) => mariaDb
        ? await MariaDbServer.StartAsync("--binlog-row-metadata=FULL", "--log-bin-compress=ON", "--log-bin-compress-min-len=64")
        : await MySqlServer.StartAsync("--sync-binlog=0");

    private static async Task<string> WriteAsync(SqlServerProcess server)
    {
        await using var database = await server.CreateDatabaseAsync();
        await SampleDatabase.CreateAsync(database.ConnectionString, 2_000, 1, cancellationToken: Cancel);
        await BinlogFiles.CloseCurrentAsync(server);
        await TortureWriters.RunAsync(database.ConnectionString, new TortureWriterOptions { Writers = 4, TransactionsEach = Transactions / 4 }, Cancel);
        return await BinlogFiles.CloseCurrentAsync(server);
    }

    private static async Task<Dictionary<string, int>> CountAsync(string path)
    {
        var counts = new Dictionary<string, int>();
        await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, Cancel), Path.GetFileName(path));
        while (await decoder.ReadAsync(Cancel) is { } found)
        {
            counts[found.GetType().Name] = counts.GetValueOrDefault(found.GetType().Name) + 1;
        }

        return counts;
    }
}
