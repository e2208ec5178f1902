using System.Globalization;
using System.Text;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Every character that a character set of a server has, also those that Unicode has only once: each as the server itself converts it.</summary>
public sealed class EveryCharacterTests
{
    private const int PerRow = 64;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_character_of_every_character_set(bool mariaDb)
    {
        await using var server = mariaDb ? (SqlServerProcess)await MariaDbServer.StartAsync("--sync-binlog=0") : await MySqlServer.StartAsync("--sync-binlog=0");
        await using var database = await server.CreateDatabaseAsync();
        var charsets = await CharsetsAsync(database);
        Assert.True(charsets.Count >= 38, $"{charsets.Count} character sets");
        await WriteSourcesAsync(database);
        await BinlogFiles.CloseCurrentAsync(server);
        foreach (var (name, longest) in charsets)
        {
            await database.ExecuteAsync(
                $"SET SESSION sql_mode = ''; CREATE TABLE t_{name} (id BIGINT PRIMARY KEY AUTO_INCREMENT, t VARCHAR({PerRow}) CHARACTER SET {name}); "
                + $"INSERT IGNORE INTO t_{name} (t) SELECT CONVERT(t USING {name}) FROM texts ORDER BY id; "
                + $"INSERT IGNORE INTO t_{name} (t) SELECT CONVERT(b USING {name}) FROM sequences WHERE LENGTH(b) <= {longest} AND CONVERT(CONVERT(b USING {name}) USING utf8mb4) IS NOT NULL{WithoutHalves(name)} ORDER BY id");
        }

        var path = await BinlogFiles.CloseCurrentAsync(server);
        var wrong = new List<string>();
        foreach (var (name, _) in charsets)
        {
            await using var readers = await ReadRows.OpenAsync(database, $"t_{name}");
            try
            {
                readers.AssertSame(await readers.SelectAsync(), (await readers.FollowAsync(path)).Rows);
            }
            catch (Exception e) when (e is MigrationException or Xunit.Sdk.XunitException)
            {
                wrong.Add($"{name}: {e.Message}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    // Half a surrogate pair is no character: MySQL cuts the text off there, MariaDB prints bytes that are no UTF-8, and neither has an item.
    private static string WithoutHalves(string charset) => charset is "ucs2" or "utf32" ? " AND HEX(b) NOT REGEXP '^D[89A-F]..$'" : "";

    private static async Task<List<(string Name, int Longest)>> CharsetsAsync(TestDatabase database)
    {
        var charsets = new List<(string, int)>();
        await using var connection = await database.OpenAsync();
        await using var command = new MySqlCommand("SELECT character_set_name, maxlen FROM information_schema.CHARACTER_SETS WHERE character_set_name <> 'binary' ORDER BY 1", connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            charsets.Add((reader.GetString(0), Convert.ToInt32(reader.GetValue(1), CultureInfo.InvariantCulture)));
        }

        return charsets;
    }

    /// <summary>All of the basic plane and parts of the others, and all sequences of one and two bytes, and of three behind 8F.</summary>
    private static async Task WriteSourcesAsync(TestDatabase database)
    {
        await database.ExecuteAsync(
            $"CREATE TABLE texts (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR({PerRow}) CHARACTER SET utf8mb4); CREATE TABLE sequences (id INT PRIMARY KEY AUTO_INCREMENT, b VARBINARY(4))");
        var characters = Enumerable.Range(0, 0x10000).Concat(Enumerable.Range(0x1F300, 0x400)).Concat(Enumerable.Range(0x20000, 0x800)).Concat(Enumerable.Range(0x2A000, 0x400))
            .Append(0x10FFFF).Where(c => Rune.IsValid(c)).Chunk(PerRow);
        await InsertAsync(database, "texts (t)", characters.Select(c => $"CONVERT(X'{Convert.ToHexString(Encoding.UTF8.GetBytes(string.Concat(c.Select(r => new Rune(r)))))}' USING utf8mb4)"));
        var sequences = Enumerable.Range(0, 256).Select(b => (byte[])[(byte)b])
            .Concat(from lead in Enumerable.Range(0x80, 128) from trail in Enumerable.Range(0x30, 0xD0) select (byte[])[(byte)lead, (byte)trail])
            .Concat(from lead in Enumerable.Range(0xA1, 94) from trail in Enumerable.Range(0xA1, 94) select (byte[])[0x8F, (byte)lead, (byte)trail]);
        await InsertAsync(database, "sequences (b)", sequences.Select(s => $"X'{Convert.ToHexString(s)}'"));
    }

    private static async Task InsertAsync(TestDatabase database, string into, IEnumerable<string> values)
    {
        foreach (var part in values.Chunk(5000))
        {
            await database.ExecuteAsync($"INSERT INTO {into} VALUES ({string.Join("), (", part)})");
        }
    }
}
