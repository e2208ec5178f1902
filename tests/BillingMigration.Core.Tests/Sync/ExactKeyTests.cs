using System.Globalization;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Sync;

/// <summary>Keys that are two texts in the source and one in Unicode, in every character set that the server has.</summary>
public sealed class ExactKeyTests(TestServers servers)
{
    /// <summary>Of a character set, characters that Unicode has as one.</summary>
    private const int MostGroups = 20;

    /// <summary>Characters that Unicode does not have are all one: a question mark.</summary>
    private const string Unknown = "3F";

    private const int MostUnknown = 4;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_rows_are_two_items_or_are_refused_by_name(bool mariaDb)
    {
        var server = await servers.SourceAsync(mariaDb);
        var sets = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        await using (var connection = new MySqlConnection(server.ConnectionString))
        {
            await connection.OpenAsync(Cancel);
            foreach (var (name, collation, longest) in await SetsAsync(connection))
            {
                sets[$"{name} {collation}"] = await TwinsAsync(connection, name, longest);
            }
        }

        Assert.True(sets["cp932 cp932_bin"].Count > 30, "cp932 has characters in two places");
        string[] names = [.. sets.Keys.Select(k => k.Split(' ')[0])];
        var (schema, entities) = (new StringBuilder(), new List<string>());
        foreach (var (set, keys) in sets)
        {
            var (name, collation) = (set.Split(' ')[0], set.Split(' ')[1]);
            schema.Append(CultureInfo.InvariantCulture, $"CREATE TABLE t_{name} (k VARCHAR(10) CHARACTER SET {name} COLLATE {collation} NOT NULL PRIMARY KEY, v INT NOT NULL);");
            schema.Append(CultureInfo.InvariantCulture, $"INSERT IGNORE INTO t_{name} VALUES (_{name} X'6162', 1){string.Concat(keys.Select(k => $", (_{name} X'{k}', 1)"))};");
            entities.Add($"{{ \"entity\": \"T_{name.ToUpperInvariant()}\", \"table\": \"t_{name}\", \"pk\": \"{name}#{{k}}\", \"sk\": \"T\" }}");
        }

        var definition = """
            {
              "name": "exact-keys",
              "source": { "host": "HOST", "port": 1, "database": "DATABASE", "tls": { "mode": "None" } },
              "target": { "region": "eu-central-1", "endpointUrl": "ENDPOINT", "table": "TABLE" },
              "entities": [ENTITIES]
            }
            """.Replace("ENTITIES", string.Join(", ", entities), StringComparison.Ordinal);
        await using var shop = await LookupShop.CreateAsync(servers, server, schema.ToString(), definition);
        // What a column does not take is cut off.
        foreach (var set in names)
        {
            await shop.Database.ExecuteAsync($"DELETE FROM t_{set} WHERE CHAR_LENGTH(k) = 0");
        }

        var exported = await ExportAsync(shop, setAside: false);
        Assert.Equal(SnapshotOutcome.Failed, exported.Outcome);
        Assert.All(exported.Refused, r => Assert.Equal("KeyNotInUnicode", r.ReasonId));

        exported = await ExportAsync(shop, setAside: true);
        Assert.Equal(SnapshotOutcome.Complete, exported.Outcome);
        await AssertEachAsync(shop, exported.Entities.Sum(e => e.SetAside), names);

        // The same from the binlog.
        foreach (var set in names)
        {
            await shop.Database.ExecuteAsync($"UPDATE t_{set} SET v = 2");
        }

        var result = await shop.SyncAsync(new SyncOptions { SetAside = true });
        Assert.Equal(SyncState.Consistent, result.State);
        Assert.All(result.Refused, r => Assert.Equal("KeyNotInUnicode", r.ReasonId));
        await AssertEachAsync(shop, result.Refused.Select(r => (r.Entity, r.Key)).Distinct().Count(), names);
        Assert.All(await shop.ItemsAsync(), i => Assert.Equal("2", i["v"].N));

        // Each can be deleted, and be a page's last.
        foreach (var set in names)
        {
            await shop.Database.ExecuteAsync($"DELETE FROM t_{set} WHERE HEX(k) <> '6162'");
        }

        Assert.Equal(SyncState.Consistent, (await shop.SyncAsync(new SyncOptions { SetAside = true })).State);
        Assert.Equal(sets.Count, (await shop.ItemsAsync()).Count);
    }

    private static async Task AssertEachAsync(LookupShop shop, long refused, string[] names)
    {
        var items = await shop.ItemsAsync();
        Assert.Equal(items.Count, items.Select(i => (i["entity"].S, i["k"].S)).Distinct().Count());

        // Of characters that are one in Unicode, one is an item.
        await using var connection = await shop.Database.OpenAsync();
        var rows = 0L;
        foreach (var name in names)
        {
            await using var command = new MySqlCommand($"SELECT COUNT(DISTINCT CAST(CONVERT(k USING utf8mb4) AS BINARY)), COUNT(*) FROM t_{name}", connection);
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            await reader.ReadAsync(Cancel);
            Assert.Equal((name, reader.GetInt64(0)), (name, items.Count(i => i["entity"].S == $"T_{name.ToUpperInvariant()}")));
            rows += reader.GetInt64(1);
        }

        Assert.Equal(rows, items.Count + refused);
    }

    private static async Task<SnapshotResult> ExportAsync(LookupShop shop, bool setAside)
    {
        await using var session = await shop.Migration.ConnectAsync();
        return await new SnapshotExporter(session, new SnapshotOptions { SetAside = setAside }).RunAsync(new Progress<SnapshotProgress>(), Cancel);
    }

    /// <summary>Character sets that are not Unicode's, each with a collation that compares bytes.</summary>
    private static async Task<List<(string Name, string Collation, int Longest)>> SetsAsync(MySqlConnection connection)
    {
        const string Sql = """
            SELECT s.character_set_name, c.collation_name, s.maxlen FROM information_schema.CHARACTER_SETS s
            JOIN information_schema.COLLATION_CHARACTER_SET_APPLICABILITY a ON a.character_set_name = s.character_set_name
            JOIN information_schema.COLLATIONS c ON c.collation_name = a.collation_name
            WHERE c.collation_name = CONCAT(s.character_set_name, '_bin') AND s.character_set_name NOT REGEXP '^(utf|ucs|ascii|binary|gb18030)'
            """;
        var sets = new List<(string, string, int)>();
        await using var command = new MySqlCommand(Sql, connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        while (await reader.ReadAsync(Cancel))
        {
            sets.Add((reader.GetString(0), reader.GetString(1), Convert.ToInt32(reader.GetValue(2), CultureInfo.InvariantCulture)));
        }

        return sets;
    }

    /// <summary>Characters in hex digits that Unicode has as one, of a column that takes them.</summary>
    private static async Task<List<string>> TwinsAsync(MySqlConnection connection, string name, int longest)
    {
        var all = Enumerable.Range(1, 255).Select(b => b.ToString("X2", CultureInfo.InvariantCulture)).ToList();
        foreach (var lead in longest > 1 ? Enumerable.Range(0x81, 0x7E).Select(b => b.ToString("X2", CultureInfo.InvariantCulture)) : [])
        {
            all.AddRange(Enumerable.Range(0x40, 0xBF).Select(b => lead + b.ToString("X2", CultureInfo.InvariantCulture)));
        }

        var groups = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var some in all.Chunk(500))
        {
            // In another text column first: what it does not take is cut off, with a warning.
            var expressions = some.Select(b => $"IF(CHAR_LENGTH(CONVERT(X'{b}' USING {name})) = 1 AND HEX(CONVERT(X'{b}' USING {name})) = '{b}', HEX(CONVERT(CONVERT(X'{b}' USING {name}) USING utf8mb4)), NULL)");
            await using var command = new MySqlCommand($"SELECT {string.Join(", ", expressions)}", connection);
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            await reader.ReadAsync(Cancel);
            for (var i = 0; i < some.Length; i++)
            {
                if (!reader.IsDBNull(i) && reader.GetString(i) is { Length: > 0 } text)
                {
                    (groups.TryGetValue(text, out var group) ? group : groups[text] = []).Add(some[i]);
                }
            }
        }

        // A blank at the end is none to a collation.
        return [.. groups.Where(g => g.Value.Count > 1 && g.Key != "20").OrderBy(g => g.Key == Unknown ? 0 : 1).Take(MostGroups)
            .SelectMany(g => g.Key == Unknown ? g.Value.Where(c => c != Unknown).Take(MostUnknown).Append(Unknown) : g.Value)];
    }
}
