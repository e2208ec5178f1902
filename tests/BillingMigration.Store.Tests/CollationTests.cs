using BillingMigration.Store.DynamoDb;
using static BillingMigration.Testing.SampleRows;

namespace BillingMigration.Store.Tests;

/// <summary>Texts that a collation takes for equal are one value of a key on the table too.</summary>
public sealed class CollationTests(SampleStores stores)
{
    private const string Tables = """
        CREATE TABLE plan (code VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, label VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL UNIQUE);
        CREATE TABLE use_of (id INT NOT NULL PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_general_ci NULL, FOREIGN KEY (code) REFERENCES plan (code) ON DELETE CASCADE);
        INSERT INTO plan VALUES ('Basic', 'Straße'), ('T', 'T'), ('Free', 'none');
        INSERT INTO use_of VALUES (1, 'BASIC'), (2, 'basic ');
        """;

    private const string Entities = """
        { "entity": "PLAN", "table": "plan", "pk": "PLAN#{code:collated}", "sk": "PLAN", "indexes": { "gsi1": { "pk": "LABEL#{label:collated}", "sk": "PLAN" } } },
        { "entity": "USE", "table": "use_of", "pk": "USE#{id}", "sk": "USE", "indexes": { "gsi1": { "pk": "PLAN#{code:collated}", "sk": "USE#{id:D10}" } } }
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<bool, bool> Sides { get; } = new MatrixTheoryData<bool, bool>([false, true], [false, true]);

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task Equal_texts_are_one_value_of_a_unique_and_of_a_primary_key(bool mariaDb, bool dynamoDb)
    {
        await using var shop = await ShopAsync(mariaDb);
        await using var store = await shop.OpenAsync(dynamoDb);
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync("PLAN", Values(("code", "new"), ("label", "STRASSE")), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync("PLAN", Values(("code", "new"), ("label", "t ")), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync("PLAN", Values(("code", "bÁsic "), ("label", "other")), Cancel));

        var written = await store.InsertAsync("PLAN", Values(("code", "é"), ("label", "É")), Cancel);
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync("PLAN", Values(("code", "E"), ("label", "other")), Cancel));
        await RefusedAsync(StoreError.DuplicateKey, store.InsertAsync("PLAN", Values(("code", "other"), ("label", "e")), Cancel));

        // A row may take its own value in other letters.
        var renamed = await store.UpdateAsync(written, Values(("label", "e")), Cancel);
        Assert.Equal("e", renamed["label"]);
        await store.DeleteAsync(renamed, Cancel);
        await store.InsertAsync("PLAN", Values(("code", "E"), ("label", "É")), Cancel);
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task A_child_finds_its_parent_and_a_parent_its_children_in_other_letters(bool mariaDb, bool dynamoDb)
    {
        await using var shop = await ShopAsync(mariaDb);
        await using var store = await shop.OpenAsync(dynamoDb);
        await store.InsertAsync("USE", Values(("id", 3), ("code", "bAsIc")), Cancel);
        await RefusedAsync(StoreError.ParentMissing, store.InsertAsync("USE", Values(("id", 4), ("code", "basics")), Cancel));
        await store.DeleteAsync((await store.GetAsync("PLAN", "code", "Basic", Cancel))!, Cancel);
        foreach (var id in (int[])[1, 2, 3])
        {
            Assert.Null(await store.GetAsync("USE", "id", id, Cancel));
        }

        await RefusedAsync(StoreError.ParentMissing, store.InsertAsync("USE", Values(("id", 5), ("code", "BASIC")), Cancel));
    }

    [Theory]
    [MemberData(nameof(Sides))]
    public async Task A_query_still_compares_bytes(bool mariaDb, bool dynamoDb)
    {
        await using var shop = await ShopAsync(mariaDb);
        await using var store = await shop.OpenAsync(dynamoDb);
        Assert.Null(await store.GetAsync("PLAN", "code", "basic", Cancel));
        Assert.Null(await store.FindAsync("PLAN", "label", "strasse", Cancel));
        Assert.Equal("Basic", (await store.FindAsync("PLAN", "label", "Straße", Cancel))!["code"]);
        Assert.Equal("1", Assert.Single(await store.ListAsync(new RecordQuery("USE").Where("code", "BASIC"), Cancel)).Text("id"));
        Assert.Single((await store.PageAsync(new RecordQuery("USE").Where("code", "basic "), 1, null, Cancel)).Records);
    }

    [Fact]
    public async Task What_is_looked_for_by_its_exact_text_is_told()
    {
        await using var shop = await ShopAsync(mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        Assert.Empty(await StoreFit.CheckAsync(session, Cancel));

        await using var exact = await GeneratedShop.CreateAsync(stores, false, Tables, ["gsi1"], Entities.Replace(":collated", "", StringComparison.Ordinal));
        await using var other = await exact.Migration.ConnectAsync();
        var gaps = await StoreFit.CheckAsync(other, Cancel);
        Assert.All(gaps, g => Assert.True(g.IsLoose));
        Assert.Contains(gaps, g => g.Entity == "PLAN" && g.Columns is ["label"] && g.Remedy == "Write {label:collated} in the index gsi1.");
        Assert.Contains(gaps, g => g.Entity == "PLAN" && g.Columns is ["code"] && g.Remedy == "Write {code:collated} in the key of the table.");
        Assert.Contains(gaps, g => g.Entity == "USE" && g.Of == "PLAN" && g.Columns is ["code"]);
    }

    private Task<GeneratedShop> ShopAsync(bool mariaDb) => GeneratedShop.CreateAsync(stores, mariaDb, Tables, ["gsi1"], Entities);

    private static async Task RefusedAsync(StoreError error, Task call) => Assert.Equal(error, (await Assert.ThrowsAsync<StoreException>(() => call)).Error);
}
