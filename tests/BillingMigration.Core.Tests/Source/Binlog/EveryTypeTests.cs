using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Two readers, one row: what the binlog says of a row is, byte for byte, what SELECT says of it.</summary>
public sealed class EveryTypeTests
{
    private const int Rows = 120;
    private const string Mode = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'; ";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, "SET GLOBAL binlog_row_metadata = 'FULL'")]
    [InlineData(2, "SET GLOBAL binlog_row_metadata = 'MINIMAL'")]
    [InlineData(3, "SET GLOBAL binlog_row_metadata = 'FULL', GLOBAL binlog_transaction_compression = ON, GLOBAL binlog_row_value_options = 'PARTIAL_JSON'")]
    [InlineData(4, "SET GLOBAL binlog_row_metadata = 'MINIMAL', GLOBAL binlog_row_value_options = 'PARTIAL_JSON'")]
    public async Task Generated_values_of_every_type_of_MySQL(int seed, string settings)
    {
        await using var server = await MySqlServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2");
        await TryAsync(server, mariaDb: false, seed, settings);
    }

    [Theory]
    [InlineData(5, "SET GLOBAL binlog_row_metadata = 'FULL'")]
    [InlineData(6, "SET GLOBAL binlog_row_metadata = 'MINIMAL'")]
    [InlineData(7, "SET GLOBAL binlog_row_metadata = 'NO_LOG', GLOBAL log_bin_compress = ON")]
    [InlineData(8, "SET GLOBAL binlog_row_metadata = 'FULL', GLOBAL mysql56_temporal_format = OFF")]
    public async Task Generated_values_of_every_type_of_MariaDB(int seed, string settings)
    {
        await using var server = await MariaDbServer.StartAsync("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2");
        await TryAsync(server, mariaDb: true, seed, settings);
    }

    /// <summary>Table maps count the columns with a character set, and not all servers count the same.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Character_sets_beside_shapes_and_vectors(bool mariaDb)
    {
        await using var server = mariaDb ? (SqlServerProcess)await MariaDbServer.StartAsync("--sync-binlog=0") : await MySqlServer.StartAsync("--sync-binlog=0");
        await using var database = await server.CreateDatabaseAsync();
        await BinlogFiles.CloseCurrentAsync(server);
        var other = mariaDb ? "w UUID, x INET6, y VARCHAR(20) CHARACTER SET latin2 COMPRESSED" : "w VECTOR(2), x JSON, y VARCHAR(20) CHARACTER SET latin2";
        foreach (var table in (string[])["all_different", "one_different"])
        {
            var second = table == "all_different" ? "cp1251" : "latin1";
            await database.ExecuteAsync(
                $"CREATE TABLE {table} (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET latin1, g GEOMETRY, b VARCHAR(20) CHARACTER SET {second}, {other}, c VARCHAR(20) CHARACTER SET sjis, "
                + "d BINARY(4), e VARCHAR(20) CHARACTER SET latin1); "
                + $"INSERT INTO {table} (id, a, g, b, y, c, d, e) VALUES (1, 'é', ST_GeomFromText('POINT(1 2)'), 'x', 'ł', '日本', 'x', 'ß')");
        }

        var path = await BinlogFiles.CloseCurrentAsync(server);
        foreach (var table in (string[])["all_different", "one_different"])
        {
            await using var readers = await ReadRows.OpenAsync(database, table);
            readers.AssertSame(await readers.SelectAsync(), (await readers.FollowAsync(path)).Rows);
        }
    }

    private static async Task TryAsync(SqlServerProcess server, bool mariaDb, int seed, string settings)
    {
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync(settings);
        await MySqlConnection.ClearAllPoolsAsync(Cancel);
        await BinlogFiles.CloseCurrentAsync(server);
        var generated = new GeneratedValues(seed);
        var columns = generated.Columns(mariaDb);
        // Long rows are spread over tables: a row has 65,535 bytes at most.
        foreach (var (part, index) in columns.Chunk(45).Select((c, i) => (c, i)))
        {
            await WriteAsync(database, $"typed{index}", part, generated, mariaDb);
        }

        var path = await BinlogFiles.CloseCurrentAsync(server);
        for (var index = 0; index <= (columns.Count - 1) / 45; index++)
        {
            await using var readers = await ReadRows.OpenAsync(database, $"typed{index}", "left_out");
            var selected = await readers.SelectAsync();
            var (followed, changes) = await readers.FollowAsync(path);
            readers.AssertSame(selected, followed);
            Assert.True(changes > Rows, $"{changes} changes");
        }
    }

    private static async Task WriteAsync(TestDatabase database, string table, (string Type, Func<string> Value)[] columns, GeneratedValues generated, bool mariaDb)
    {
        var definitions = string.Join(", ", columns.Select((c, i) => $"c{i} {c.Type}"));
        var virtualColumn = "computed BIGINT GENERATED ALWAYS AS (id * 2) VIRTUAL, ";
        var sql = $"CREATE TABLE {table} (id BIGINT PRIMARY KEY, {virtualColumn}{definitions}, left_out VARCHAR(30) NULL DEFAULT 'abc', kept VARCHAR(30) GENERATED ALWAYS AS (CONCAT('n', id)) STORED)";
        await database.ExecuteAsync(sql);
        var names = string.Join(", ", columns.Select((_, i) => $"c{i}"));
        for (var row = 1; row <= Rows; row += 20)
        {
            var first = row;
            var rows = Enumerable.Range(first, 20).Select(id => $"({id}, {string.Join(", ", columns.Select(c => generated.NullOr(c.Value)))})");
            await database.ExecuteAsync($"{Mode}INSERT IGNORE INTO {table} (id, {names}) VALUES {string.Join(",\n", rows)}");
        }

        for (var row = 1; row <= Rows; row += 3)
        {
            var changed = columns.Select((c, i) => (c, i)).Where(_ => row % 2 == 0 || _.i % 3 == 0).Select(p => $"c{p.i} = {generated.NullOr(p.c.Value)}");
            await database.ExecuteAsync($"{Mode}UPDATE IGNORE {table} SET {string.Join(", ", changed)} WHERE id = {row}");
        }

        for (var i = 0; i < columns.Length && !mariaDb; i++)
        {
            if (columns[i].Type == "JSON")
            {
                await ChangeJsonAsync(database, table, $"c{i}");
            }
        }

        await database.ExecuteAsync($"{Mode}DELETE FROM {table} WHERE id % 7 = 0");
    }

    /// <summary>In the ways that are logged as differences, when the server is set so.</summary>
    private static Task ChangeJsonAsync(TestDatabase database, string table, string column) => database.ExecuteAsync(
        Mode
        + $"UPDATE {table} SET {column} = '{{\"a\": 1, \"b\": [1, 2, {{\"x\": \"long enough to be replaced in place\"}}], \"c\": \"text\", \"\": 1, \"e\\\\\"f g\": [3]}}' WHERE id % 2 = 0; "
        + $"UPDATE {table} SET {column} = JSON_SET({column}, '$.a', id, '$.b[1]', 'é', '$.b[2].x', JSON_ARRAY(id)) WHERE id % 2 = 0; "
        + $"UPDATE {table} SET {column} = JSON_REMOVE({column}, '$.b[0]', '$.c') WHERE id % 4 = 0; "
        + $"UPDATE {table} SET {column} = JSON_SET({column}, '$.new', 1.5, '$.\"e\\\\\"f g\"[5]', TRUE, '$.\"\"', CAST('2026-01-31' AS DATE)) WHERE id % 4 = 2; "
        + $"UPDATE {table} SET {column} = JSON_REPLACE({column}, '$.b', JSON_OBJECT('deep', JSON_ARRAY(1, 2))) WHERE id % 8 = 2");
}
