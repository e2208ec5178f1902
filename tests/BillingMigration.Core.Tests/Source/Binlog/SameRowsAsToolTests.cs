using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>What our decoder reads from a binlog file is what <c>mysqlbinlog -vv</c> and <c>mariadb-binlog -vv</c> print of it, value by value.</summary>
public sealed class SameRowsAsToolTests(TestServers servers)
{
    private const int Rows = 400;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(11, "GLOBAL binlog_row_metadata = 'FULL'")]
    [InlineData(12, "GLOBAL binlog_row_metadata = 'MINIMAL', GLOBAL binlog_row_image = 'MINIMAL'")]
    [InlineData(13, "GLOBAL binlog_row_image = 'NOBLOB', GLOBAL binlog_transaction_compression = ON")]
    [InlineData(14, "GLOBAL binlog_transaction_compression = ON, GLOBAL binlog_row_value_options = 'PARTIAL_JSON'")]
    [InlineData(15, "GLOBAL binlog_row_metadata = 'MINIMAL', GLOBAL binlog_row_value_options = 'PARTIAL_JSON', GLOBAL binlog_checksum = 'NONE'")]
    public async Task Generated_values_of_every_type_of_MySQL(int seed, string settings)
    {
        await using var server = await MySqlServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2");
        await TryAsync(server, mariaDb: false, seed, settings);
    }

    [Theory]
    [InlineData(21, "GLOBAL binlog_row_metadata = 'FULL'")]
    [InlineData(22, "GLOBAL binlog_row_metadata = 'NO_LOG', GLOBAL binlog_row_image = 'MINIMAL'")]
    [InlineData(23, "GLOBAL binlog_row_metadata = 'MINIMAL', GLOBAL binlog_row_image = 'NOBLOB', GLOBAL binlog_checksum = 'NONE'")]
    [InlineData(24, "GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10")]
    public async Task Generated_values_of_every_type_of_MariaDB(int seed, string settings)
    {
        await using var server = await MariaDbServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2");
        await TryAsync(server, mariaDb: true, seed, settings);
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(false, "SET SESSION binlog_transaction_compression = ON; ")]
    [InlineData(true, "")]
    public async Task Transactions_of_every_kind(bool mariaDb, string session)
    {
        var server = await servers.SourceAsync(mariaDb);
        await using var database = await server.CreateDatabaseAsync();
        await BinlogFiles.CloseCurrentAsync(server);
        await database.ExecuteAsync($"""
            {session}
            CREATE TABLE parent (id INT PRIMARY KEY, t VARCHAR(20) UNIQUE);
            CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, parent INT, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE SET NULL);
            CREATE TABLE plain (id INT PRIMARY KEY, t VARCHAR(20)) ENGINE = MyISAM;
            CREATE TABLE `odd``name` (`a``b` INT PRIMARY KEY);
            CREATE TABLE `gebühr` (id INT PRIMARY KEY);
            INSERT INTO `gebühr` VALUES (1);
            INSERT INTO parent VALUES (1, 'a'), (2, 'b'), (3, 'c');
            BEGIN; INSERT INTO child (parent) VALUES (1), (2), (3); SAVEPOINT s; DELETE FROM child; ROLLBACK TO s; COMMIT; INSERT INTO plain VALUES (1, 'x');
            BEGIN; UPDATE parent SET t = UPPER(t); ROLLBACK;
            INSERT INTO parent VALUES (1, 'z') ON DUPLICATE KEY UPDATE t = 'again';
            REPLACE INTO parent (id, t) VALUES (7, 'b');
            UPDATE parent p JOIN child c ON c.parent = p.id SET p.t = CONCAT(p.t, '!'), c.parent = NULL;
            UPDATE parent SET id = id + 100; DELETE FROM parent WHERE id = 101;
            INSERT INTO `odd``name` VALUES (1), (2); INSERT INTO plain SELECT id + 100, t FROM parent; TRUNCATE TABLE `odd``name`;
            XA START 'kept'; INSERT INTO parent VALUES (1001, 'xa'); UPDATE parent SET t = CONCAT(t, 'xa') WHERE id < 1001; XA END 'kept'; XA PREPARE 'kept'; XA COMMIT 'kept';
            XA START 'left'; DELETE FROM parent; XA END 'left'; XA PREPARE 'left'; XA ROLLBACK 'left';
            XA START 'one'; DELETE FROM parent WHERE id = 1001; XA END 'one'; XA COMMIT 'one' ONE PHASE;
            """);
        var comparison = await CompareAsync(database, await BinlogFiles.CloseCurrentAsync(server), mariaDb);
        comparison.AssertSame();
        // Other tests write into databases of their own, and into the same file.
        var tables = comparison.Decoded.Rows.Select(r => r.Row.Table).Where(t => t.StartsWith($"{database.Name}.", StringComparison.Ordinal)).Select(t => t[(database.Name.Length + 1)..]).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(["child", "gebühr", "odd`name", "parent", "plain"], tables);
        Assert.Contains(comparison.Decoded.Rows, r => r.Row.After.GetValueOrDefault(2) == "xa");
    }

    /// <summary>
    /// The binlog files that MySQL and MariaDB ship for their own tests, from 4.1 to 9.7, damaged ones among them: Debian has them in the packages <c>mysql-testsuite</c> and
    /// <c>mariadb-test-data</c>. BINLOG_FILES names a folder with them.
    /// </summary>
    [Fact]
    public async Task Files_of_the_servers_own_tests()
    {
        var folder = Environment.GetEnvironmentVariable("BINLOG_FILES");
        Assert.SkipWhen(string.IsNullOrEmpty(folder), "BINLOG_FILES names no folder with binlog files");
        await using var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await using var connection = await database.OpenAsync();
        var wrong = new List<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(BinlogFiles.IsBinlog).Order(StringComparer.Ordinal))
        {
            foreach (var mariaDb in (bool[])[false, true])
            {
                var comparison = await RowComparison.OfAsync(path, mariaDb, connection, Cancel);
                var (decoded, printed) = (comparison.Decoded, comparison.Printed);
                TestContext.Current.SendDiagnosticMessage(
                    "{0}: {1} rows{2}; {3}: {4} rows{5}", Path.GetRelativePath(folder, path), decoded.Rows.Count, decoded.Error is null ? "" : $", then {decoded.Error.Message}",
                    mariaDb ? "mariadb-binlog" : "mysqlbinlog", printed.Rows.Count, printed.Error is null ? "" : $", then {printed.Error.Trim()}");

                // Neither tool reads all of them. Whoever stops has read no other rows until there, and we do not stop before a row that a tool prints.
                wrong.AddRange(comparison.Differences.Select(d => $"{path}: {d}"));
                if (decoded.Rows.Count < printed.Rows.Count || (printed.Error is null && decoded.Rows.Count > printed.Rows.Count))
                {
                    wrong.Add($"{path}: {decoded.Rows.Count} rows, {(mariaDb ? "mariadb-binlog" : "mysqlbinlog")} {printed.Rows.Count}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    private static async Task TryAsync(SqlServerProcess server, bool mariaDb, int seed, string settings)
    {
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync($"SET {settings}");
        await MySqlConnection.ClearAllPoolsAsync(Cancel);
        await BinlogFiles.CloseCurrentAsync(server);
        var generated = new GeneratedValues(seed);
        var columns = generated.Columns(mariaDb).Where(c => IsPrinted(c.Type, mariaDb));
        await GeneratedTables.WriteAsync(database, generated, columns, mariaDb, Rows);
        var comparison = await CompareAsync(database, await BinlogFiles.CloseCurrentAsync(server), mariaDb);
        comparison.AssertSame();
        Assert.True(comparison.Decoded.Rows.Count > 3 * Rows, $"{comparison.Decoded.Rows.Count} rows");
        Assert.Equal(settings.Contains("PARTIAL_JSON", StringComparison.Ordinal), comparison.PartialUpdates > 0);
    }

    /// <summary>
    /// mysqlbinlog 9.7 does not know GEOMETRY, and prints nothing behind such a value; mariadb-binlog 10.11 prints a column with COMPRESSED as it is stored. Both are compared
    /// with SELECT in <see cref="EveryTypeTests"/>.
    /// </summary>
    private static bool IsPrinted(string type, bool mariaDb) => mariaDb ? !type.EndsWith("COMPRESSED", StringComparison.Ordinal) : type is not ("GEOMETRY" or "POINT");

    private static async Task<RowComparison> CompareAsync(TestDatabase database, string path, bool mariaDb)
    {
        await using var connection = await database.OpenAsync();
        return await RowComparison.OfAsync(path, mariaDb, connection, Cancel);
    }
}
