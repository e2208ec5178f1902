using System.Globalization;
using System.Text;
using MySqlConnector;

namespace BillingMigration.Store.Tests;

/// <summary>
/// What a store writes is what the server would have stored: a value that strict SQL refuses is refused, any other becomes the same text, in the row that the insert returns, on the
/// source and in the table.
/// </summary>
public sealed class StoredValueTests(SampleStores stores)
{
    private const string StrictSession = "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";

    private static readonly string[] Types =
    [
        "TINYINT", "TINYINT UNSIGNED", "SMALLINT", "MEDIUMINT UNSIGNED", "INT", "INT UNSIGNED", "BIGINT", "BIGINT UNSIGNED", "BIT(1)", "BIT(9)", "BIT(64)", "YEAR",
        "DECIMAL(5,2)", "DECIMAL(5,2) UNSIGNED", "DECIMAL(20,0)", "DECIMAL(65,30)", "DECIMAL(38,10)",
        "FLOAT", "FLOAT UNSIGNED", "FLOAT(8,3)", "FLOAT(5,0)", "FLOAT(10,2) UNSIGNED", "DOUBLE", "DOUBLE UNSIGNED", "DOUBLE(24,8)", "DOUBLE(10,2) UNSIGNED", "DOUBLE(6,0)", "DOUBLE(15,14)",
        "DATE", "DATETIME", "DATETIME(3)", "DATETIME(6)", "TIMESTAMP NULL", "TIMESTAMP(2) NULL", "TIMESTAMP(6) NULL", "TIME", "TIME(1)", "TIME(6)",
        "CHAR(4)", "VARCHAR(4)", "VARCHAR(4) CHARACTER SET latin1", "VARCHAR(4) CHARACTER SET ascii", "VARCHAR(4) CHARACTER SET utf8mb3", "TINYTEXT", "TEXT", "BINARY(4)", "VARBINARY(4)", "TINYBLOB",
        "ENUM('a','B','é')", "ENUM('a','B') COLLATE utf8mb4_bin", "SET('x','Y','z')", "SET('x','Y') COLLATE utf8mb4_bin",
    ];

    /// <summary>Bits of integer types; below zero: of negative numbers.</summary>
    private static readonly int[] Bounds = [1, 7, 8, 9, 15, 16, 23, 24, 31, 32, 63, -1, -7, -15, -23, -31, -63];

    private static readonly decimal[] Beside = [-1, 0, 1];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_value_is_stored_as_SQL_stores_it(bool mariaDb)
    {
        var types = mariaDb ? Types : [.. Types, "JSON"];
        await using var shop = await CreateAsync(mariaDb, types);
        await using var source = await shop.OpenAsync(dynamoDb: false);
        await using var table = await shop.OpenAsync(dynamoDb: true);
        await using var connection = await shop.Database.OpenAsync();
        await ExecuteAsync(connection, StrictSession);
        var random = new Random(5);
        var id = 0;
        var differences = new StringBuilder();
        for (var column = 0; column < types.Length; column++)
        {
            foreach (var value in ValuesOf(types[column], random).Where(v => !IsOther(types[column], v)).DistinctBy(v => (v.GetType(), v is byte[] b ? Convert.ToHexString(b) : v is double d ? BitConverter.DoubleToInt64Bits(d) : v)))
            {
                id += 3;
                var expected = await SqlAsync(connection, source, id, $"v{column}", value);
                var bySource = await StoreAsync(source, id + 1, $"v{column}", value);
                var byTable = await StoreAsync(table, id + 2, $"v{column}", value);
                if (expected != bySource || bySource != byTable)
                {
                    differences.AppendLine(CultureInfo.InvariantCulture, $"{types[column]} {value.GetType().Name} {Shown(value)}: SQL {expected}, source {bySource}, table {byTable}");
                }
            }
        }

        Assert.True(differences.Length == 0, differences.ToString());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_text_with_an_offset_is_a_point_in_time_for_a_TIMESTAMP_only(bool dynamoDb)
    {
        await using var shop = await CreateAsync(mariaDb: false, ["TIMESTAMP NULL", "DATETIME"]);
        await using var store = await shop.OpenAsync(dynamoDb);
        Assert.Equal("2026-01-31 08:11:12", await StoreAsync(store, 1, "v0", "2026-01-31 10:11:12+02:00"));
        Assert.Equal("2026-02-01 01:41:12", await StoreAsync(store, 2, "v0", "2026-01-31T20:11:12-05:30"));
        Assert.Equal("2026-01-31 10:11:12", await StoreAsync(store, 3, "v0", "2026-01-31T10:11:12Z"));
        Assert.Equal("refused", await StoreAsync(store, 4, "v1", "2026-01-31 10:11:12+02:00"));
        Assert.Equal("refused", await StoreAsync(store, 5, "v1", "2026-01-31T10:11:12Z"));
        Assert.Equal("refused", await StoreAsync(store, 6, "v1", "01/31/2026"));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task A_row_with_zero_dates_and_a_negative_zero_is_found_by_them_and_keeps_them(bool mariaDb, bool dynamoDb)
    {
        await using var shop = await CreateAsync(
            mariaDb, ["DATE", "DATETIME", "TIMESTAMP NULL", "FLOAT", "INT"],
            "SET SESSION sql_mode = ''; INSERT INTO bill VALUES (1, '0000-00-00', '2026-00-10 00:00:00', '0000-00-00 00:00:00', -1e-50, 1)");
        await using var store = await shop.OpenAsync(dynamoDb);
        var texts = new[] { "0000-00-00", "2026-00-10 00:00:00", "0000-00-00 00:00:00", "-0" };
        var query = texts.Select((text, i) => ($"v{i}", (object)text)).Append(("v3", -0.0)).Aggregate(new RecordQuery(BillingEntity.Bill).Where("id", 1), (q, c) => q.Where(c.Item1, c.Item2));
        var read = Assert.Single(await store.ListAsync(query, Cancel));
        Assert.Equal(texts, texts.Select((_, i) => read.Text($"v{i}")));

        var changed = await store.UpdateAsync(read, new Dictionary<string, object?> { ["v4"] = 2, ["v0"] = read["v0"], ["v1"] = read["v1"], ["v2"] = read["v2"] }, Cancel);
        Assert.Equal(texts, texts.Select((_, i) => changed.Text($"v{i}")));
        Assert.Equal(changed, await store.GetAsync(BillingEntity.Bill, "id", 1, Cancel));
    }

    private static string Shown(object value) => value switch
    {
        byte[] bytes => Convert.ToHexString(bytes),
        DateTime time => time.ToString("O", CultureInfo.InvariantCulture),
        string { Length: > 60 } text => $"{text[..3]}… of {text.Length}",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private async Task<GeneratedShop> CreateAsync(bool mariaDb, string[] types, string rows = "") => await GeneratedShop.CreateAsync(
        stores, mariaDb, $"CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, {string.Join(", ", types.Select((t, i) => $"v{i} {t}{(t.Contains("NULL", StringComparison.Ordinal) ? "" : " NULL")}"))}); {rows}", [],
        $$"""
        { "entity": "BILL", "table": "bill", "pk": "B#{id}", "sk": "BILL", "columns": {
          {{string.Join(", ", types.Select((t, i) => (t, i)).Where(c => c.t.StartsWith("FLOAT", StringComparison.Ordinal) || c.t.StartsWith("DOUBLE", StringComparison.Ordinal)).Select(c => $$"""
            "v{{c.i}}": { "type": "S" }
            """))}} } }
        """);

    /// <returns>The text that the server stores; <c>refused</c>.</returns>
    private static async Task<string> SqlAsync(MySqlConnection connection, BillingStore source, int id, string column, object value)
    {
        await using var command = new MySqlCommand($"INSERT INTO bill (id, {column}) VALUES ({id}, @value)", connection);
        command.Parameters.AddWithValue("@value", value);
        try
        {
            await command.ExecuteNonQueryAsync(Cancel);
        }
        catch (MySqlException)
        {
            return "refused";
        }

        // The store knows no sign of zero, which the server keeps of a number too small for the column.
        var text = (await source.GetAsync(BillingEntity.Bill, "id", id, Cancel))!.Text(column)!;
        return text == "-0" ? "0" : text;
    }

    /// <summary>What SQL means in another way than .NET (the number of a BIT as a text or below zero), and what the store refuses on purpose.</summary>
    private static bool IsOther(string type, object value) =>
        (type.StartsWith("BIT", StringComparison.Ordinal) && value is (string or < 0m or < 0.0 or 1e20))
        || (type.StartsWith("FLOAT", StringComparison.Ordinal) && value is (float.MaxValue or 99999.9994 or 99999999.994))
        || (type.StartsWith("ENUM", StringComparison.Ordinal) && value is "e");

    private static async Task<string> StoreAsync(BillingStore store, int id, string column, object value)
    {
        BillingRecord written;
        try
        {
            written = await store.InsertAsync(BillingEntity.Bill, new Dictionary<string, object?> { ["id"] = id, [column] = value }, Cancel);
        }
        catch (Exception e) when (e is StoreException { Error: StoreError.ValueInvalid } or MigrationException)
        {
            return e is StoreException ? "refused" : e.Message;
        }

        var read = await store.GetAsync(BillingEntity.Bill, "id", id, Cancel);
        return written.Equals(read) ? written.Text(column)! : $"returned {written.Text(column)}, then read {read?.Text(column)}";
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    private static IEnumerable<object> ValuesOf(string type, Random random)
    {
        var day = new DateTime(2026, 3, 29, 1, 59, 59);
        return type.Split('(', ' ')[0] switch
        {
            "YEAR" => [0L, 1L, 69L, 70L, 99L, 100L, 1900L, 1901L, 2026L, 2155L, 2156L, -1L, "0000", "2026"],
            "TINYINT" or "SMALLINT" or "MEDIUMINT" or "INT" or "BIGINT" or "BIT" =>
            [
                .. from bits in Bounds from off in Beside select (object)(((decimal)(1UL << Math.Abs(bits)) + off) * (bits < 0 ? -1 : 1)),
                18446744073709551615m, 18446744073709551616m, 0.4m, -0.4m, 0.5m, -0.5m, 1.5m, 2.5m, -2.5m, 0.49999999999999994, 1234567890123456.7, true, false, 7, 9UL, 2.5, -0.5, "12", "-1", 1e10, 1e20,
            ],
            "DECIMAL" =>
            [
                0m, 0.001m, -0.001m, 0.005m, -0.005m, 0.0049999m, 999.99m, 999.994m, 999.995m, -999.995m, 1000m, 1e-10m, 1.005, 2.675, 0.1f, 1234567890123456.7, 1e19, 1e20, 1e22, 1e34, 1e35, 1e36, 1e-29,
                "12345678901234567890123456789012345.123456789012345678901234567890", "-0.00", "1e3", 79228162514264337593543950335m, .. Numbers(random),
            ],
            "FLOAT" or "DOUBLE" =>
            [
                0.0, -0.0, 0.1, 0.1f, -0.001, -0.006, 1.0005, 2.5555, 1.005, 2.675, 0.5, 1.5, 2.5, -2.5, 99999.4, 99999.5, 99999.9994, 99999.9996, 100000.0, 99999999.994, 99999999.996, 1e16, 1e16 + 2, 1.000000005,
                0.123456785, 1234567890123456.1, -1e-9, 16777217.0, 1e-46, -1e-50, 1.17549e-38, 3.4028234e38, 3.4028235e38, 3.4028236e38, 1e39, double.MaxValue, double.MinValue, double.Epsilon, 2.2250738585072014e-308,
                float.MaxValue, float.Epsilon, 1e15, 1e-5, 3.141592653589793, 9.999999999999994, 9.99999999999999, "1.5", "1e3", "-0", 7, 12.345m, .. Numbers(random), .. Enumerable.Range(0, 12).Select(_ => (object)Bits(random)),
            ],
            "DATE" => [new DateOnly(2026, 1, 31), DateOnly.MinValue, DateOnly.MaxValue, day.Date, "2026-01-31", "0000-00-00", "2026-00-00", "2026-02-00", "2026-00-31", "2026-02-29", "2024-02-29", "0000-02-29", "0000-01-01", "2026-13-01", "2026-04-31"],
            "DATETIME" or "TIMESTAMP" =>
            [
                day, day.AddTicks(4_999_990), day.AddTicks(5_000_000), day.AddTicks(9_999_990), day.AddTicks(1_234_560), day.AddTicks(9_994_990), day.AddTicks(9_995_000), DateTime.UnixEpoch, DateTime.UnixEpoch.AddSeconds(0.5),
                DateTime.UnixEpoch.AddSeconds(0.999999), DateTime.UnixEpoch.AddSeconds(1), new DateTime(2038, 1, 19, 3, 14, 7), new DateTime(2038, 1, 19, 3, 14, 7).AddTicks(4_999_990), new DateTime(2038, 1, 19, 3, 14, 7).AddTicks(9_999_990),
                new DateTime(2038, 1, 19, 3, 14, 8), new DateTime(9999, 12, 31, 23, 59, 59).AddTicks(9_999_990), DateTime.MinValue, new DateOnly(2026, 1, 31), "2026-01-31 10:11:12", "2026-01-31 10:11:12.345678", "2026-01-31",
                "0000-00-00 00:00:00", "2026-00-00 00:00:00", "2026-02-00 10:11:12.5", "0000-00-00 10:00:00", "2026-02-30 00:00:00", "2026-01-31 24:00:00", "0000-01-01 00:00:00", "0000-00-00",
            ],
            "TIME" =>
            [
                TimeSpan.Zero, new TimeSpan(838, 59, 59), new TimeSpan(-838, -59, -59), new TimeSpan(838, 59, 59).Add(TimeSpan.FromMilliseconds(400)), new TimeSpan(838, 59, 59).Add(TimeSpan.FromMilliseconds(600)), new TimeSpan(839, 0, 0),
                TimeSpan.FromMilliseconds(-400), TimeSpan.FromMilliseconds(-500), TimeSpan.FromMilliseconds(1_250), TimeSpan.FromMilliseconds(-1_950), "10:11:12", "-100:00:00.5", "838:59:59.000000", "838:59:59.000001",
            ],
            "CHAR" or "VARCHAR" or "TINYTEXT" or "TEXT" =>
            [
                "", "a", "a ", " a", "abcd", "abcde", "abcd  ", "abc  ", "äöü", "€", "\u0080", "\u0081", "“x”", "日本", "😀", "Ā", "a\0b", "a\t", new string('x', 255), new string('x', 256), new string('é', 127), new string('é', 128),
                new string('é', 32_767), new string('é', 32_768), new string(' ', 256), new string('x', 65_535), new string('x', 65_536),
            ],
            "BINARY" or "VARBINARY" or "TINYBLOB" => [.. "|00|0001|01020304|0102030400|0102030405|20202020|2020202020|FF".Split('|').Select(Convert.FromHexString), new byte[255], new byte[256]],
            "ENUM" => ["a", "A", "b", "B", "é", "É", "e", "a ", "c"],
            "SET" => ["", "x", "X", "y", "Y", "z,x", "x,x", "x,Y", "q", "x,"],
            "JSON" => ["{}", "[1, 2.50, 1e3, -0]", "{\"b\": 1, \"a\": \"é\\u00e9\"}", "{\"a\":1,\"a\":2}", "null", "\"x\"", "{", "1.0", "12345678901234567890123", "[true,false]"],
            _ => throw new InvalidOperationException(type),
        };
    }

    private static IEnumerable<object> Numbers(Random random) => Enumerable.Range(0, 12).Select(i => (object)(Math.Round((decimal)(random.NextDouble() - 0.5), 1 + random.Next(12)) * (decimal)Math.Pow(10, random.Next(8))));

    private static double Bits(Random random)
    {
        var value = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
        return double.IsFinite(value) ? value : 1;
    }
}
