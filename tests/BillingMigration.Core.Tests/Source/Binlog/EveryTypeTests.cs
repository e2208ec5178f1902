using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Two readers, one row: what the binlog says of a row is, byte for byte, what SELECT says of it.</summary>
public sealed class EveryTypeTests
{
    private const int Rows = 120;

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
        var tables = await GeneratedTables.WriteAsync(database, generated, generated.Columns(mariaDb), mariaDb, Rows);
        var path = await BinlogFiles.CloseCurrentAsync(server);
        foreach (var table in tables)
        {
            await using var readers = await ReadRows.OpenAsync(database, table, "left_out");
            var selected = await readers.SelectAsync();
            var (followed, changes) = await readers.FollowAsync(path);
            readers.AssertSame(selected, followed);
            Assert.True(changes > Rows, $"{changes} changes");
        }
    }
}
