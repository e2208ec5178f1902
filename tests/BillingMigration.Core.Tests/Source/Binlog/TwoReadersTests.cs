using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;
using MySqlConnector;
using TestContext = Xunit.TestContext;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>A row read by SELECT and the same row read from the binlog give byte-identical items, for every column type.</summary>
public sealed class TwoReadersTests
{
    private const int Rows = 400;
    private const string Mode = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; ";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false, "FULL")]
    [InlineData(false, "MINIMAL")]
    [InlineData(true, "FULL")]
    [InlineData(true, "MINIMAL")]
    [InlineData(true, "NO_LOG")]
    public async Task Every_type_of_the_type_matrix(bool mariaDb, string metadata)
    {
        Assert.SkipWhen(!mariaDb && metadata == "NO_LOG", "MySQL always writes the least of metadata");
        await using var server = await StartAsync(mariaDb, metadata);
        await using var database = await server.CreateDatabaseAsync();
        var cases = TypeCases.Of(mariaDb);
        await database.ExecuteAsync($"CREATE TABLE typed (id INT PRIMARY KEY, {string.Join(", ", cases.Select((c, i) => $"c{i} {c.Type}"))})");
        await BinlogFiles.CloseCurrentAsync(server);
        await database.ExecuteAsync($"{Mode}INSERT INTO typed VALUES (1, {string.Join(", ", cases.Select(c => c.Sql))}); INSERT INTO typed (id) VALUES (2); UPDATE typed SET id = id + 10");
        await AssertSameAsync(server, database, "typed");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Thousands_of_random_values(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "FULL");
        await using var database = await server.CreateDatabaseAsync();
        var columns = RandomValues.Columns(mariaDb);
        await database.ExecuteAsync($"CREATE TABLE typed (id INT PRIMARY KEY, {string.Join(", ", columns.Select((c, i) => $"c{i} {c.Type}"))})");
        await BinlogFiles.CloseCurrentAsync(server);
        var random = new Random(7);
        for (var i = 0; i < Rows; i += 20)
        {
            var values = Enumerable.Range(i, 20).Select(id => $"({id}, {string.Join(", ", columns.Select(c => random.Next(20) == 0 ? "NULL" : c.Value(random)))})");
            await database.ExecuteAsync($"{Mode}INSERT INTO typed VALUES {string.Join(", ", values)}");
        }

        await database.ExecuteAsync($"{Mode}UPDATE typed SET c0 = NULL WHERE id % 3 = 0; DELETE FROM typed WHERE id % 17 = 0");
        await AssertSameAsync(server, database, "typed");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_character_set_of_the_server(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "FULL");
        await using var database = await server.CreateDatabaseAsync();
        var charsets = new List<string>();
        await using (var connection = await database.OpenAsync())
        await using (var command = new MySqlCommand("SELECT character_set_name FROM information_schema.CHARACTER_SETS WHERE character_set_name <> 'binary' ORDER BY 1", connection))
        await using (var reader = await command.ExecuteReaderAsync(Cancel))
        {
            while (await reader.ReadAsync(Cancel))
            {
                charsets.Add(reader.GetString(0));
            }
        }

        Assert.True(charsets.Count > 35);
        await database.ExecuteAsync($"CREATE TABLE typed (id INT PRIMARY KEY, {string.Join(", ", charsets.Select(c => $"v_{c} VARCHAR(40) CHARACTER SET {c}, c_{c} CHAR(20) CHARACTER SET {c}, t_{c} TEXT CHARACTER SET {c}, e_{c} ENUM('a', 'ab', 'b') CHARACTER SET {c}"))}) ROW_FORMAT=DYNAMIC");
        await BinlogFiles.CloseCurrentAsync(server);

        // Each character goes into the sets that have it; the others keep a question mark in its place.
        const string Alphabets = "aZ~ é€ßñŁőışğ Ωψ Жяґ אש عش กข あア漢字한글 ﾊﾝ ½©";
        var runes = Alphabets.EnumerateRunes().ToArray();
        for (var id = 0; id < runes.Length; id++)
        {
            var text = $"CONVERT(X'{Convert.ToHexString(Encoding.UTF8.GetBytes($"x{runes[id]}{runes[(id * 7) % runes.Length]} "))}' USING utf8mb4)";
            await database.ExecuteAsync($"SET SESSION sql_mode = ''; INSERT INTO typed VALUES ({id}, {string.Join(", ", charsets.Select(_ => $"{text}, {text}, {text}, {1 + (id % 3)}"))})");
        }

        await AssertSameAsync(server, database, "typed");
    }

    [Fact]
    public async Task Partial_updates_of_JSON_and_compressed_transactions()
    {
        await using var server = await StartAsync(mariaDb: false, "FULL");
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE typed (id INT PRIMARY KEY, a JSON, n INT, b JSON, t VARCHAR(20))");
        await BinlogFiles.CloseCurrentAsync(server);
        const string Session = "SET SESSION binlog_row_value_options = 'PARTIAL_JSON', SESSION binlog_transaction_compression = ON; ";
        var filler = new string('x', 300);
        await database.ExecuteAsync($$"""
            {{Session}}
            INSERT INTO typed VALUES
              (1, '{"a": [1, {"b": "{{filler}}", "k.y": 2.50}], "zz": "{{filler}}", "é": null, "d": 1e30}', 1, '[[1, 2, 3], "{{filler}}"]', 'x'),
              (2, '{"a": [], "zz": "{{filler}}"}', 1, '[1, 2, 3, "{{filler}}"]', 'y'), (3, NULL, 3, '{"q": "{{filler}}"}', NULL);
            UPDATE typed SET a = JSON_SET(a, '$.a[1].b', 'shorter', '$.zz', 7, '$."é"', 'ü'), n = 2 WHERE id = 1;
            UPDATE typed SET a = JSON_REMOVE(a, '$.a[1]."k.y"'), b = JSON_REPLACE(b, '$[0][1]', 20), t = 'both' WHERE id = 1;
            UPDATE typed SET b = JSON_REMOVE(b, '$[0]') WHERE id IN (1, 2);
            UPDATE typed SET a = JSON_SET(a, '$.zz', CAST(3.14 AS DECIMAL(10, 2))), b = JSON_SET(b, '$[0]', CAST('2026-01-02 03:04:05.6' AS DATETIME(6))) WHERE id = 2;
            UPDATE typed SET a = JSON_SET(a, '$.zz', _utf16 X'00620020') WHERE id = 2;
            UPDATE typed SET b = JSON_SET(b, '$[1]', _ucs2 X'2020') WHERE id = 2;
            UPDATE typed SET a = JSON_REPLACE(a, '$.zz', TRUE), t = NULL WHERE id = 2;
            UPDATE typed SET b = JSON_REPLACE(b, '$.q', JSON_ARRAY(1, '"')), n = NULL WHERE id = 3;
            """);
        await AssertSameAsync(server, database, "typed");
    }

    /// <summary>Whatever the server's own modes and zone are: a session that prints values must not depend on them.</summary>
    [Theory]
    [InlineData(false, "FULL")]
    [InlineData(false, "MINIMAL")]
    [InlineData(true, "FULL")]
    [InlineData(true, "NO_LOG")]
    public async Task Extremes_of_every_type(bool mariaDb, string metadata)
    {
        const int ColumnsPerTable = 30;
        await using var server = await StartAsync(mariaDb, metadata);
        await using var database = await server.CreateDatabaseAsync();
        await BinlogFiles.CloseCurrentAsync(server);
        var tables = 0;
        foreach (var columns in ExtremeValues.Columns(mariaDb).Chunk(ColumnsPerTable))
        {
            var table = $"typed{tables++}";
            await database.ExecuteAsync($"{Mode}CREATE TABLE {table} (id INT PRIMARY KEY, {string.Join(", ", columns.Select((c, i) => $"c{i} {c.Type}"))}) ROW_FORMAT=DYNAMIC");
            for (var id = 0; id < columns.Max(c => c.Values.Length); id++)
            {
                var values = columns.Select(c => id < c.Values.Length ? c.Values[id] : "NULL");
                await database.ExecuteAsync($"{Mode}INSERT IGNORE INTO {table} VALUES ({id}, {string.Join(", ", values)})");
            }

            await database.ExecuteAsync($"{Mode}UPDATE {table} SET id = id + 100");
        }

        await database.ExecuteAsync("SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT', GLOBAL time_zone = '+05:30'");
        var path = await BinlogFiles.CloseCurrentAsync(server);
        var wrong = new List<string>();
        for (var i = 0; i < tables; i++)
        {
            await using var readers = await ReadRows.OpenAsync(database, $"typed{i}");
            wrong.AddRange(readers.Differences(await readers.SelectAsync(), (await readers.FollowAsync(path)).Rows));
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} values differ:\n{string.Join("\n", wrong)}");
    }

    /// <summary>A number has no negative zero, so the row is refused, by either reader; as text it is kept.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Negative_zero_is_refused_as_a_number_and_kept_as_text(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "FULL");
        await using var database = await server.CreateDatabaseAsync();
        await BinlogFiles.CloseCurrentAsync(server);
        // MariaDB makes a literal's -0 to 0, and prints a stored one as 0: the sign is left of what is too small for a FLOAT.
        await database.ExecuteAsync("CREATE TABLE typed (id INT PRIMARY KEY, f FLOAT); INSERT INTO typed VALUES (1, -1e-50), (2, 0), (3, 1e-50)");
        var path = await BinlogFiles.CloseCurrentAsync(server);
        await using var readers = await ReadRows.OpenAsync(database, "typed");
        foreach (var rows in (Dictionary<long, string?[]>[])[await readers.SelectAsync(), (await readers.FollowAsync(path)).Rows])
        {
            Assert.Equal(["-0", "0", "0"], rows.OrderBy(r => r.Key).Select(r => r.Value[1]));
            Assert.Equal("NumberNegativeZero", ItemOf(readers.Model, rows[1]).Refusal);
            Assert.Contains("\"f\":{\"N\":\"0\"}", ItemOf(readers.Model, rows[2]).Item, StringComparison.Ordinal);
            Assert.Contains("\"f\":{\"S\":\"-0\"}", ItemOf(AsText(readers.Model, "f"), rows[1]).Item, StringComparison.Ordinal);
        }
    }

    /// <summary>Keys that are no integers are walked to cut a table into ranges; their bounds are texts.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Keys_of_floating_point_are_bounds_of_ranges(bool mariaDb)
    {
        await using var server = await StartAsync(mariaDb, "FULL");
        await using var database = await server.CreateDatabaseAsync();
        await database.ExecuteAsync("CREATE TABLE typed (id DOUBLE, f FLOAT, n INT, PRIMARY KEY (id, f)); INSERT INTO typed VALUES (-1e300, 0.1, 1), (0, 0.1, 2), (0, 0.3, 3), (0.1, -7, 4), (5e-324, 0.1, 5)");
        await using var typed = await TypedTable.BindAsync(database, "typed");
        var statement = new SelectStatement(typed.Model);
        await using var connection = await database.OpenAsync();
        var after = await BoundaryAsync(connection, statement, null, 3);
        Assert.Equal(["0", "0.30000001192092896"], after);
        Assert.Equal(["5E-324", "0.10000000149011612"], await BoundaryAsync(connection, statement, after, 1));
        Assert.Equal(["0.1", "-7"], await BoundaryAsync(connection, statement, after, 2));
    }

    private static async Task<IEnumerable<string>> BoundaryAsync(MySqlConnection connection, SelectStatement statement, IEnumerable<string>? after, long step)
    {
        await using var command = new MySqlCommand(statement.Boundary(after is null ? null : [.. after], step), connection);
        await using var reader = await command.ExecuteReaderAsync(Cancel);
        Assert.True(await reader.ReadAsync(Cancel));
        return statement.BoundaryKey(reader);
    }

    private static EntityModel AsText(EntityModel model, string column) => EntityModel.Bind(
        new EntityDefinition
        {
            Entity = model.Entity,
            Table = model.Table.Name,
            PartitionKey = KeyTemplate.Parse("T#{id}"),
            SortKey = KeyTemplate.Parse("T"),
            Columns = ImmutableSortedDictionary<string, ColumnDefinition>.Empty.Add(column, new ColumnDefinition { Type = AttributeType.S }),
        },
        [],
        new Dictionary<string, TableSchema> { [model.Table.Name] = model.Table });

    private static (string Item, string? Refusal) ItemOf(EntityModel model, string?[] texts)
    {
        var row = new RowBuffer(texts.Length);
        for (var i = 0; i < texts.Length; i++)
        {
            row.Set(i, texts[i]!);
        }

        using var batch = new ItemBatch();
        return new ItemEncoder(model).TryEncode(row, batch, out var refusal) ? (Encoding.UTF8.GetString(batch.Item(0).Span), null) : ("", refusal.ReasonId);
    }

    private static async Task<SqlServerProcess> StartAsync(bool mariaDb, string metadata) => mariaDb
        ? await MariaDbServer.StartAsync($"--binlog-row-metadata={metadata}")
        : await MySqlServer.StartAsync($"--binlog-row-metadata={metadata}");

    private static async Task AssertSameAsync(SqlServerProcess server, TestDatabase database, string table)
    {
        var path = await BinlogFiles.CloseCurrentAsync(server);
        await using var typed = await TypedTable.BindAsync(database, table);
        var selected = await typed.SelectAsync();
        var replayed = await typed.ReplayAsync(path);
        Assert.NotEmpty(selected);
        foreach (var (key, item) in selected)
        {
            // The first attribute that differs says more than two long lines.
            var other = replayed.GetValueOrDefault(key, "");
            var at = item.AsSpan().CommonPrefixLength(other);
            Assert.True(item == other, string.Create(CultureInfo.InvariantCulture, $"{key}: SELECT has …{Around(item, at)}…, the binlog …{Around(other, at)}…"));
        }

        Assert.Equal(selected.Count, replayed.Count);
    }

    private static string Around(string text, int at) => text[Math.Max(0, at - 60)..Math.Min(text.Length, at + 60)];
}
