using System.Globalization;
using System.Text.RegularExpressions;
using BillingMigration.Source;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Snapshot;

/// <summary>
/// The start position of a snapshot while writers commit: every transaction inside it was visible to every read made after it was taken. What is
/// inside a position is read from the binlog itself afterwards, where each statement of the writers stands beside its position and GTID.
/// </summary>
public sealed partial class StartPositionTests(TestServers servers, ITestOutputHelper output)
{
    private const int Observations = 400;
    private const int Writers = 6;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_transaction_inside_it_is_visible_to_later_reads(bool mariaDb)
    {
        await using var database = await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync();
        var server = await IdentifyAsync(database);

        var (observations, committed) = await ObserveAsync(database, server, Observations, (c, ct) => SnapshotPosition.TakeStartAsync(c, server, ct));

        var inside = observations.Sum(o => committed.Count(t => t.IsInside(o.Position)));
        output.WriteLine($"{observations.Count} observations, {committed.Count} transactions, {inside} checks");
        Assert.Empty(Violations(observations, committed));
        Assert.True(inside > Observations, "the positions hold too few transactions for the check to mean anything");
    }

    /// <summary>The same harness sees what is unsafe: MySQL's file and offset run ahead of what reads see.</summary>
    [Fact]
    public async Task The_file_and_offset_of_MySQL_are_seen_to_run_ahead()
    {
        await using var database = await (await servers.SourceAsync(mariaDbFlavor: false)).CreateDatabaseAsync();
        var server = await IdentifyAsync(database);
        var violations = 0;
        for (var round = 0; round < 20 && violations == 0; round++)
        {
            await database.ExecuteAsync("DROP TABLE IF EXISTS probe");
            var (observations, committed) = await ObserveAsync(database, server, Observations, async (c, ct) => (await SnapshotPosition.TakeEndAsync(c, server, ct)) with { Gtid = null });
            violations = Violations(observations, committed).Count();
        }

        output.WriteLine($"{violations} violations");
        Assert.NotEqual(0, violations);
    }

    /// <param name="Visible">Highest number of each writer that a read after the position saw.</param>
    private sealed record Observation(SourcePosition Position, IReadOnlyDictionary<int, long> Visible);

    /// <summary>One transaction of a writer as it stands in the binlog.</summary>
    private sealed record Transaction(int Writer, long Number, string Gtid, string File, long End)
    {
        public bool IsInside(SourcePosition position)
        {
            if (position.File is { } file)
            {
                return string.CompareOrdinal(File, file) < 0 || (File == file && End <= position.Offset);
            }

            var (source, number) = (Gtid[..Gtid.IndexOf(':', StringComparison.Ordinal)], long.Parse(Gtid.AsSpan(Gtid.IndexOf(':', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture));
            return position.Gtid!.Split(',').Select(set => set.Trim().Split(':')).Where(set => set[0] == source).SelectMany(set => set[1..]).Any(interval =>
            {
                var bounds = interval.Split('-').Select(b => long.Parse(b, CultureInfo.InvariantCulture)).ToArray();
                return number >= bounds[0] && number <= bounds[^1];
            });
        }
    }

    private static IEnumerable<string> Violations(IReadOnlyList<Observation> observations, IReadOnlyList<Transaction> committed) =>
        from observation in observations
        from transaction in committed
        where transaction.IsInside(observation.Position) && transaction.Number > observation.Visible.GetValueOrDefault(transaction.Writer)
        select $"{transaction} is inside {observation.Position} and was not visible";

    /// <summary>Takes positions while writers commit one row after the other, each with a plain read on another connection right behind it.</summary>
    private static async Task<(IReadOnlyList<Observation> Observations, IReadOnlyList<Transaction> Committed)> ObserveAsync(
        TestDatabase database, SourceServer server, int count, Func<MySqlConnection, CancellationToken, Task<SourcePosition>> take)
    {
        await database.ExecuteAsync("CREATE TABLE probe (writer INT, number BIGINT, PRIMARY KEY (writer, number))");
        await using var position = await database.OpenAsync();
        await using var reading = await database.OpenAsync();
        var begin = await SnapshotPosition.TakeEndAsync(position, server, Cancel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var writers = Task.WhenAll(Enumerable.Range(0, Writers).Select(w => WriteAsync(database, server, w, stop.Token)));
        var observations = new List<Observation>();
        while (observations.Count < count)
        {
            var taken = await take(position, Cancel);
            observations.Add(new Observation(taken, await ReadVisibleAsync(reading)));
        }

        await stop.CancelAsync();
        await writers;
        return (observations, await ReadBinlogAsync(position, begin, database.Name));
    }

    private static async Task WriteAsync(TestDatabase database, SourceServer server, int writer, CancellationToken stop)
    {
        await using var connection = await database.OpenAsync();
        await using var annotate = new MySqlCommand(
            server.Flavor == SourceFlavor.MySql ? "SET SESSION binlog_rows_query_log_events = ON" : "SET SESSION binlog_annotate_row_events = ON", connection);
        await annotate.ExecuteNonQueryAsync(CancellationToken.None);
        for (var number = 1L; !stop.IsCancellationRequested; number++)
        {
            await using var command = new MySqlCommand(FormattableString.Invariant($"INSERT INTO {database.Name}.probe VALUES ({writer}, {number})"), connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private static async Task<IReadOnlyDictionary<int, long>> ReadVisibleAsync(MySqlConnection connection)
    {
        var visible = new Dictionary<int, long>();
        await using var command = new MySqlCommand("SELECT writer, MAX(number) FROM probe GROUP BY writer", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            visible[reader.GetInt32(0)] = reader.GetInt64(1);
        }

        return visible;
    }

    private static async Task<IReadOnlyList<Transaction>> ReadBinlogAsync(MySqlConnection connection, SourcePosition begin, string database)
    {
        var transactions = new List<Transaction>();
        var (gtid, insert) = ("", Match.Empty);
        foreach (var file in await FilesSinceAsync(connection, begin.File!))
        {
            var from = file == begin.File ? FormattableString.Invariant($" FROM {begin.Offset}") : "";
            await using var command = new MySqlCommand($"SHOW BINLOG EVENTS IN '{file}'{from}", connection) { CommandTimeout = 300 };
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            while (await reader.ReadAsync(Cancel))
            {
                var (type, info) = (reader.GetString(2), reader.GetString(5));
                if (type == "Gtid")
                {
                    (gtid, insert) = (GtidOf().Match(info).Groups[1].Value, Match.Empty);
                }
                else if (type is "Rows_query" or "Annotate_rows" && info.Contains($" {database}.probe ", StringComparison.Ordinal))
                {
                    insert = ValuesOf().Match(info);
                }
                else if (type == "Xid" && insert.Success)
                {
                    transactions.Add(new Transaction(
                        int.Parse(insert.Groups[1].ValueSpan, CultureInfo.InvariantCulture),
                        long.Parse(insert.Groups[2].ValueSpan, CultureInfo.InvariantCulture),
                        gtid,
                        file,
                        Convert.ToInt64(reader.GetValue(4), CultureInfo.InvariantCulture)));
                }
            }
        }

        return transactions;
    }

    private static async Task<IReadOnlyList<string>> FilesSinceAsync(MySqlConnection connection, string first)
    {
        var files = new List<string>();
        await using var command = new MySqlCommand("SHOW BINARY LOGS", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            files.Add(reader.GetString(0));
        }

        return [.. files.SkipWhile(f => f != first)];
    }

    private static async Task<SourceServer> IdentifyAsync(TestDatabase database)
    {
        await using var migration = SampleMigration.Create(database.ConnectionString, new Uri("http://127.0.0.1"));
        await using var source = await SourceConnections.OpenAsync(migration.Definition.Source, migration.Credential, null, Cancel);
        return source.Server;
    }

    [GeneratedRegex(@"GTID_NEXT= '([^']+)'")]
    private static partial Regex GtidOf();

    [GeneratedRegex(@"VALUES \((\d+), (\d+)\)")]
    private static partial Regex ValuesOf();
}
