using System.Globalization;

namespace BillingMigration.Store.Tests;

/// <summary>Pages of a query, put one behind the other, are the query's rows: whatever the primary key is made of, whatever the sort key ends in, on every backend in the same order.</summary>
public sealed class PageOrderTests(SampleStores stores)
{
    private const int Rows = 9;

    private static readonly string[] Entities = ["CUSTOMER", "BILLING_ACCOUNT", "SUBSCRIBER", "SERVICE_AGREEMENT", "BILL", "CHARGE"];

    private static readonly string?[] Orders = [null, "day", "number", "amount", "seen"];

    private static readonly bool[] Directions = [false, true];

    private static readonly string[] Conditions = ["part", "other"];

    /// <summary>Types of key columns and values in which equal, almost equal and differently sorted ones stand side by side.</summary>
    private static readonly (string Type, string[] Values)[] KeyTypes =
    [
        ("INT", ["-3", "7", "10", "9", "100"]),
        ("VARCHAR(20)", ["'a'", "'B'", "'c'", "'D'", "'é'", "'#x'", "'$x'", "'%'", "'a!'", "'a#'", "'😀'", "'｡'"]),
        ("VARCHAR(300) COLLATE utf8mb4_bin", ["'a'", "'A'", "'a\\t'", "'b'"]),
        ("VARCHAR(10) CHARACTER SET latin1", ["'z'", "'ä'", "'Z'", "'a'"]),
        ("ENUM('z','a','M','b')", ["'z'", "'a'", "'M'", "'b'"]),
        ("SET('z','a','m')", ["'z'", "'a'", "'z,a'", "'m'", "''"]),
        ("DECIMAL(8,3)", ["-1.5", "2", "10.25", "9.125", "-20"]),
        ("DATE", ["'2026-01-31'", "'2025-12-31'", "'2026-02-01'"]),
        ("DATETIME(3)", ["'2026-01-31 10:00:00.5'", "'2026-01-31 10:00:00'", "'2025-01-31'"]),
        ("TIME", ["'-100:00:00'", "'-20:00:00'", "'99:00:00'", "'100:00:00'", "'00:00:01'"]),
        ("VARBINARY(6)", ["X'00'", "X''", "X'61'", "X'41'", "X'0000'", "X'FF'"]),
        ("BIGINT UNSIGNED", ["18446744073709551615", "5", "40"]),
        ("YEAR", ["2026", "1999", "0"]),
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Pages_of_generated_tables_are_the_list_on_every_backend(int seed)
    {
        var random = new Random(seed);
        var tables = Entities.Select((entity, i) => Table(entity, i, random)).ToArray();
        var sql = string.Join("\n", tables.Select(t => t.Sql));
        var entities = string.Join(",\n", tables.Select(t => t.Definition));
        await using var mySqlShop = await GeneratedShop.CreateAsync(stores, mariaDb: false, sql, ["gsi1"], entities);
        await using var mariaDbShop = await GeneratedShop.CreateAsync(stores, mariaDb: true, sql, ["gsi1"], entities);
        await using var mySql = await mySqlShop.OpenAsync(dynamoDb: false);
        await using var mariaDb = await mariaDbShop.OpenAsync(dynamoDb: false);
        await using var dynamoDb = await mySqlShop.OpenAsync(dynamoDb: true);
        foreach (var query in Queries())
        {
            var expected = await mySql.ListAsync(query, Cancel);
            Assert.NotEmpty(expected);
            foreach (var (name, store) in new[] { ("MySQL", mySql), ("MariaDB", mariaDb), ("DynamoDB", dynamoDb) })
            {
                var what = $"{name}, {query.Entity} by {query.OrderBy}, descending {query.Descending}\n{sql}";
                Same(expected, await store.ListAsync(query, Cancel), what);
                foreach (var size in new[] { 1, 2, 3, expected.Count, expected.Count + 1 }.Distinct())
                {
                    Same(expected, await PagesAsync(_ => store, query, size), $"Pages of {size}, {what}");
                }
            }

            Same(expected, await PagesAsync(page => page % 2 == 0 ? mySql : dynamoDb, query, 2), $"Pages of both, {query.Entity} by {query.OrderBy}");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_of_equal_value_come_in_the_order_of_the_primary_key(bool descending)
    {
        await using var shop = await GeneratedShop.CreateAsync(
            stores, mariaDb: false,
            """
            CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, part INT NOT NULL, due DATE NOT NULL, state CHAR(1) NOT NULL);
            INSERT INTO bill VALUES (1, 1, '2026-01-01', 'c'), (2, 1, '2026-01-01', 'b'), (3, 1, '2026-01-01', 'a');
            """,
            [], """{ "entity": "BILL", "table": "bill", "pk": "P#{part}", "sk": "{due}#{state}#{id:D10}" }""");
        await using var store = await shop.OpenAsync(dynamoDb: true);
        var query = new RecordQuery(BillingEntity.Bill).Where("part", 1) with { OrderBy = "due", Descending = descending };
        Assert.Equal(descending ? [3, 2, 1] : [1, 2, 3], (await PagesAsync(_ => store, query, 2)).Select(r => r.Get<int>("id")));
    }

    /// <summary>MariaDB sorts by the first 1,024 bytes of a text only, unless told otherwise.</summary>
    [Fact]
    public async Task Long_texts_that_differ_in_their_end_are_in_order()
    {
        const string Sql = """
            CREATE TABLE bill (k VARCHAR(700) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, part INT NOT NULL, day DATE NOT NULL);
            INSERT INTO bill VALUES (CONCAT(REPEAT('é', 600), 'b'), 1, '2026-01-01'), (CONCAT(REPEAT('é', 600), 'a'), 1, '2026-01-01'), (CONCAT(REPEAT('é', 600), 'c'), 1, '2026-01-01');
            """;
        const string Definition = """{ "entity": "BILL", "table": "bill", "pk": "P#{k}", "sk": "BILL", "indexes": { "gsi1": { "pk": "PART#{part}", "sk": "{day}" } } }""";
        foreach (var mariaDb in new[] { false, true })
        {
            await using var shop = await GeneratedShop.CreateAsync(stores, mariaDb, Sql, ["gsi1"], Definition);
            foreach (var dynamoDb in new[] { false, true })
            {
                await using var store = await shop.OpenAsync(dynamoDb);
                var query = new RecordQuery(BillingEntity.Bill).Where("part", 1) with { OrderBy = "day" };
                Assert.Equal("abc", string.Concat((await PagesAsync(_ => store, query, 1)).Select(r => r.Get<string>("k")[^1])));
            }
        }
    }

    private static IEnumerable<RecordQuery> Queries() =>
        from entity in Entities
        from order in Orders
        from backwards in Directions
        from condition in Conditions
        select new RecordQuery(entity).Where(condition, 1) with { OrderBy = order, Descending = backwards };

    private static async Task<List<BillingRecord>> PagesAsync(Func<int, IBillingStore> store, RecordQuery query, int size)
    {
        var rows = new List<BillingRecord>();
        string? continuation = null;
        for (var number = 0; number == 0 || continuation is not null; number++)
        {
            var page = await store(number).PageAsync(query, size, continuation, Cancel);
            Assert.True(rows.Count <= Rows, "The pages do not end.");
            rows.AddRange(page.Records);
            continuation = page.Continuation;
        }

        return rows;
    }

    private static void Same(IEnumerable<BillingRecord> expected, IEnumerable<BillingRecord> found, string what) =>
        Assert.True(Text(expected) == Text(found), $"{what}\nexpected\n{Text(expected)}\nfound\n{Text(found)}");

    private static string Text(IEnumerable<BillingRecord> records) => string.Join("\n", records.Select(r => string.Join('|', r.Columns.Select(c => r.Text(c) is { Length: > 100 } text ? text[..5] + text[^5..] : r.Text(c) ?? "NULL"))));

    private static (string Sql, string Definition) Table(string entity, int number, Random random)
    {
        var keys = Enumerable.Range(1, random.Next(1, 4)).Select(k => (Name: $"k{k}", Kind: KeyTypes[random.Next(KeyTypes.Length)])).ToArray();
        var values = new HashSet<string>();
        for (var i = 0; i < 60 && values.Count < Rows; i++)
        {
            values.Add(string.Join(", ", keys.Select(k => k.Kind.Values[random.Next(k.Kind.Values.Length)])));
        }

        string Row(string key) => string.Create(
            CultureInfo.InvariantCulture,
            $"({key}, 1, 1, '2026-01-{random.Next(1, 4):D2}', {random.Next(3)}, {(random.Next(3) == 0 ? "NULL" : random.Next(-1, 2))}, {(random.Next(3) == 0 ? "NULL" : $"'2026-01-01 00:00:0{random.Next(3)}'")}, {random.Next(2)})");
        var shuffled = keys.Select(k => $"{{{k.Name}}}").ToArray();
        random.Shuffle(shuffled);
        var sort = string.Join('#', shuffled);
        var sql = $"CREATE TABLE t{number} ({string.Join(", ", keys.Select(k => $"{k.Name} {k.Kind.Type} NOT NULL"))}, part INT NOT NULL, other INT NOT NULL, day DATE NOT NULL, number INT NOT NULL, "
            + $"amount DECIMAL(6,2) NULL, seen DATETIME NULL, kind INT NOT NULL, PRIMARY KEY ({string.Join(", ", keys.Select(k => k.Name))}));\n"
            // What a collation takes for equal is one row.
            + $"INSERT IGNORE INTO t{number} VALUES {string.Join(",\n", values.Select(Row))};";
        var own = random.Next(3) switch { 0 => sort, 1 => $"{{day}}#{sort}", _ => $"{{number:D5}}#{{kind}}#{sort}" };
        var other = random.Next(3) switch { 0 => $"{{day}}#{{kind}}", 1 => "{number:D5}#{day}", _ => $"{{day}}#{sort}" };
        return (sql, $$"""{ "entity": "{{entity}}", "table": "t{{number}}", "pk": "P{{number}}#{part}", "sk": "{{own}}", "indexes": { "gsi1": { "pk": "O{{number}}#{other}#{number%2}", "sk": "{{other}}" } } }""");
    }
}
