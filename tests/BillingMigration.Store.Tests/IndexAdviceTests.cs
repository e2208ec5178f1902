using System.Text.RegularExpressions;

namespace BillingMigration.Store.Tests;

/// <summary>The index that a refused query is told to add answers it.</summary>
public sealed partial class IndexAdviceTests(SampleStores stores)
{
    private const string Sql = """
        CREATE TABLE bill (id INT NOT NULL PRIMARY KEY, state CHAR(3) NOT NULL, due DATE NOT NULL, number INT NOT NULL);
        INSERT INTO bill VALUES (1, 'a', '2026-01-01', 5), (2, 'a', '2026-02-01', 40), (3, 'b', '2026-01-15', 7);
        """;

    private const string Entity = """{ "entity": "BILL", "table": "bill", "pk": "B#{id}", "sk": "BILL" """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Queries { get; } = ["state", "state and due", "due", "number"];

    [Theory]
    [MemberData(nameof(Queries))]
    public async Task The_advised_index_answers_the_query(string conditions)
    {
        var all = new RecordQuery(BillingEntity.Bill);
        var (query, ids) = conditions switch
        {
            "state" => (all.Where("state", "a"), (int[])[1, 2]),
            "state and due" => (all.Where("state", "a").WhereWithin("due", null, "2026-02-01"), [1]),
            "due" => (all.WhereWithin("due", "2026-01-02", null), [2, 3]),
            _ => (all.WhereWithin("number", 6, 40), [3]),
        };
        string advice;
        await using (var shop = await GeneratedShop.CreateAsync(stores, mariaDb: false, Sql, [], Entity + "}"))
        {
            await using var store = await shop.OpenAsync(dynamoDb: true);
            var refused = await Assert.ThrowsAsync<StoreException>(() => store.ListAsync(query, Cancel));
            Assert.Equal(StoreError.NoAccessPath, refused.Error);
            advice = Keys().Match(refused.Message).Value;
        }

        await using var advised = await GeneratedShop.CreateAsync(stores, mariaDb: false, Sql, ["gsi1"], $$"""{{Entity}}, "indexes": { "gsi1": { {{advice}} } } }""");
        await using var answering = await advised.OpenAsync(dynamoDb: true);
        Assert.Equal(ids, (await answering.ListAsync(query, Cancel)).Select(r => r.Get<int>("id")).Order());
    }

    [GeneratedRegex("\"pk\": \"[^\"]+\"(, \"sk\": \"[^\"]+\")?")]
    private static partial Regex Keys();
}
