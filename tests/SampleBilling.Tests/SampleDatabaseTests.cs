using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MySqlConnector;
using BillingMigration.Testing;
using Xunit;

namespace SampleBilling.Tests;

public sealed class SampleDatabaseTests(TestServers servers)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task MySql_and_MariaDb_give_back_the_same_rows()
    {
        var mySql = await servers.NewDatabaseAsync(false, "same_rows", Token);
        var mariaDb = await servers.NewDatabaseAsync(true, "same_rows", Token);
        var result = await SampleDatabase.CreateAsync(mySql, 20_000, 42, cancellationToken: Token);
        await SampleDatabase.CreateAsync(mariaDb, 20_000, 42, cancellationToken: Token);

        Assert.Equal(20_000, result.Rows);
        Assert.Equal(SampleDatabase.Tables, result.Tables.Select(t => t.Table));
        foreach (var table in SampleDatabase.Tables)
        {
            Assert.Equal($"{table} {await HashAsync(mySql, table)}", $"{table} {await HashAsync(mariaDb, table)}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_runs_with_one_seed_have_the_same_checksums(bool mariaDb)
    {
        var first = await servers.NewDatabaseAsync(mariaDb, "first_run", Token);
        var second = await servers.NewDatabaseAsync(mariaDb, "second_run", Token);
        await SampleDatabase.CreateAsync(first, 5_000, 1, cancellationToken: Token);
        await SampleDatabase.CreateAsync(second, 3_000, 2, cancellationToken: Token);
        await SampleDatabase.CreateAsync(second, 5_000, 1, replace: true, cancellationToken: Token);

        foreach (var table in SampleDatabase.Tables)
        {
            Assert.Equal(await ChecksumAsync(first, table), await ChecksumAsync(second, table));
        }
    }

    [Fact]
    public async Task Tables_that_are_there_are_not_touched_unless_asked_for()
    {
        var database = await servers.NewDatabaseAsync(false, "twice", Token);
        await SampleDatabase.CreateAsync(database, 100, 42, cancellationToken: Token);

        var refusal = await Assert.ThrowsAsync<SampleException>(() => SampleDatabase.CreateAsync(database, 100, 42, cancellationToken: Token));

        Assert.Contains("--replace", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Writers_change_every_table_and_leave_no_orphans(bool mariaDb)
    {
        var database = await servers.NewDatabaseAsync(mariaDb, "writers", Token);
        await SampleDatabase.CreateAsync(database, 3_000, 42, cancellationToken: Token);
        var before = await ScalarAsync(database, "SELECT MAX(charge_id) FROM charge");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var writing = SampleDatabase.RunWritersAsync(database, 4, 1, stop.Token);
        while (!writing.IsCompleted && await ScalarAsync(database, "SELECT MAX(charge_id) FROM charge") < before + 100)
        {
            Token.ThrowIfCancellationRequested();
        }

        await stop.CancelAsync();
        var counts = await writing;

        Assert.True(counts.Inserts >= 100 && counts.Updates > 0 && counts.Deletes > 0, counts.ToString());
        Assert.Equal(0, await ScalarAsync(database, "SELECT COUNT(*) FROM service_agreement a LEFT JOIN subscriber s USING (subscriber_id, account_id) WHERE s.subscriber_id IS NULL"));
        Assert.Equal(0, await ScalarAsync(database, "SELECT COUNT(*) FROM charge c LEFT JOIN billing_account a USING (account_id) WHERE a.account_id IS NULL"));
    }

    private static async Task<string> HashAsync(string database, string table)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var connection = await OpenAsync(database);
        await using var command = new MySqlCommand($"SELECT * FROM {table} ORDER BY 1", connection);
        await using var reader = await command.ExecuteReaderAsync(Token);
        while (await reader.ReadAsync(Token))
        {
            for (var i = 0; i < reader.FieldCount; i++)
            {
                var value = reader.GetValue(i) switch
                {
                    DBNull => "\0NULL",
                    byte[] bytes => Convert.ToHexString(bytes),
                    DateTime time => time.ToString("O", CultureInfo.InvariantCulture),
                    var other => Convert.ToString(other, CultureInfo.InvariantCulture)!,
                };
                hash.AppendData(Encoding.UTF8.GetBytes(value + "\0"));
            }
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static async Task<long> ChecksumAsync(string database, string table)
    {
        await using var connection = await OpenAsync(database);
        await using var command = new MySqlCommand($"CHECKSUM TABLE {table}", connection);
        await using var reader = await command.ExecuteReaderAsync(Token);
        Assert.True(await reader.ReadAsync(Token));
        return reader.GetInt64(1);
    }

    private static async Task<long> ScalarAsync(string database, string sql)
    {
        await using var connection = await OpenAsync(database);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(Token), CultureInfo.InvariantCulture);
    }

    private static async Task<MySqlConnection> OpenAsync(string database)
    {
        var connection = new MySqlConnection(database);
        await connection.OpenAsync(Token);
        await using var utc = new MySqlCommand("SET time_zone = '+00:00'", connection);
        await utc.ExecuteNonQueryAsync(Token);
        return connection;
    }
}
