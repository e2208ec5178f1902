using System.Collections.Immutable;
using System.Text.RegularExpressions;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>Applications can do with the worked examples of docs/definition.md what the source can do, on either backend.</summary>
public sealed class WorkedExampleTests(SampleStores stores)
{
    private static readonly string Document = File.ReadAllText(Repository.PathOf("docs", "definition.md"));

    private static readonly byte[] ClientId = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Rows in an order in which parents come first; what of each is changed; the column that pages are asked for by.</summary>
    private static ImmutableArray<ImmutableArray<(string Entity, ImmutableDictionary<string, object?> Row, (string Column, object? Value) Change, string PageBy)>> Rows { get; } =
    [
        [
            (BillingEntity.Customer, SampleRows.Values(("id", ClientId), ("client_no", "C-1"), ("full_name", "Ada")), ("client_no", "C-2"), "id"),
            (BillingEntity.Account, SampleRows.Values(("acct_code", "A-1"), ("client_id", ClientId), ("balance", 1.5m)), ("balance", 2m), "client_id"),
            (BillingEntity.Subscriber, SampleRows.Values(("acct_code", "A-1"), ("line_no", 1), ("msisdn", "+49")), ("msisdn", "+50"), "acct_code"),
            (BillingEntity.Bill, SampleRows.Values(("invoice_id", 7L), ("acct_code", "A-1"), ("issued", new DateOnly(2026, 1, 31)), ("state", "NEW")), ("state", "PAID"), "acct_code"),
            (BillingEntity.Charge, SampleRows.Values(("invoice_id", 7L), ("pos", 1), ("amount", 1.25m)), ("amount", 2m), "invoice_id"),
        ],
        [
            (BillingEntity.Customer, SampleRows.Values(("member_id", 1), ("member_no", "M-1"), ("name", "Ada")), ("name", "Bob"), "member_id"),
            (BillingEntity.Account, SampleRows.Values(("contract_id", 2), ("member_id", 1), ("opened", new DateOnly(2026, 1, 1))), ("opened", new DateOnly(2026, 1, 2)), "member_id"),
            ("PAYMENT", SampleRows.Values(("payment_id", 3L), ("contract_id", 2), ("paid_on", new DateOnly(2026, 1, 31)), ("amount", 5m)), ("paid_on", new DateOnly(2026, 2, 1)), "contract_id"),
            ("TAG", SampleRows.Values(("contract_id", 2), ("tag", "vip")), ("tag", "gold"), "contract_id"),
        ],
    ];

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    public async Task Every_row_is_inserted_got_paged_changed_and_deleted(int example, bool dynamoDb)
    {
        await using var shop = await GeneratedShop.OfDefinitionAsync(stores, mariaDb: false, Block("sql", example), Block("jsonc", example));
        await using var store = await shop.OpenAsync(dynamoDb);
        foreach (var (entity, values, change, pageBy) in Rows[example])
        {
            var row = await store.InsertAsync(entity, values, Cancel);
            await WriteTests.RefusedAsync(StoreError.DuplicateKey, store.InsertAsync(entity, values, Cancel));
            Assert.Equal(row, await store.GetAsync(entity, KeyOf(row), Cancel));
            row = await store.UpdateAsync(row, SampleRows.Values(change), Cancel);
            Assert.Equal(row, await store.GetAsync(entity, KeyOf(row), Cancel));
            var page = await store.PageAsync(new RecordQuery(entity).Where(pageBy, values[pageBy]), 10, null, Cancel);
            Assert.Equal([row], page.Records);
            Assert.Null(page.Continuation);
        }

        foreach (var (entity, values, _, pageBy) in Rows[example].Reverse())
        {
            var row = Assert.Single(await store.ListAsync(new RecordQuery(entity).Where(pageBy, values[pageBy]), Cancel));
            await store.DeleteAsync(row, Cancel);
            Assert.Null(await store.GetAsync(entity, KeyOf(row), Cancel));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task The_store_has_a_key_for_everything(int example)
    {
        await using var shop = await GeneratedShop.OfDefinitionAsync(stores, mariaDb: false, Block("sql", example), Block("jsonc", example));
        await using var session = await shop.Migration.ConnectAsync();
        Assert.Empty((await StoreFit.CheckAsync(session, Cancel)).Select(g => g.ToString()));
    }

    private static Dictionary<string, object> KeyOf(BillingRecord row) =>
        row.Model.PrimaryKey.Select(i => row.Model.Row[i].Column.Name).ToDictionary(c => c, c => row[c]!);

    private static string Block(string language, int number) => Regex.Matches(Document, $"```{language}\n(.*?)```", RegexOptions.Singleline)[number].Groups[1].Value;
}
