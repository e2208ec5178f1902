namespace BillingMigration.Store.Tests;

/// <summary>What each access pattern of docs/single-table-design.md costs: requests, and that it reads no more than it returns.</summary>
public sealed class CostTests(SampleStores stores)
{
    /// <summary>An item has about 1 KB here; a page of a query is rounded up to 4 KB.</summary>
    private const double UnitsPerRow = 0.5;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("account 1", 1)]
    [InlineData("charges of account 2", 1)]
    [InlineData("charges of account 2 in a period", 1)]
    [InlineData("unbilled charges of account 2", 1)]
    [InlineData("bills of account 2 in a period", 1)]
    [InlineData("subscribers of account 2", 1)]
    [InlineData("accounts of customer 2", 1)]
    [InlineData("subscriber 2", 2)]
    [InlineData("agreements of subscriber 2", 1)]
    [InlineData("charges of subscriber 2 in a period", 1)]
    [InlineData("charges of bill 2", 1)]
    [InlineData("bill 2", 2)]
    [InlineData("charge 2", 2)]
    [InlineData("agreement 2", 2)]
    [InlineData("customer 2", 1)]
    [InlineData("open bills due before 2025-12-31", 16)]
    [InlineData("agreements that end from 2026-01-10 before 2026-01-20", 16)]
    [InlineData("paid bills from 2026-01-10 before 2026-01-20", 32)]
    public async Task A_query_takes_these_requests_and_reads_what_it_returns(string name, int requests)
    {
        await using var store = await stores.OpenDynamoDbAsync();
        var rows = await store.ListAsync(ReadCase.All[name].Query, Cancel);
        Assert.InRange(store.Metrics.Requests, 1, requests);
        Assert.InRange(store.Metrics.ConsumedUnits, 0, requests + (rows.Count * UnitsPerRow));
    }

    [Theory]
    [InlineData(BillingEntity.Account, "account_id", 1)]
    [InlineData(BillingEntity.Customer, "customer_id", 1)]
    [InlineData(BillingEntity.Subscriber, "subscriber_id", 2)]
    [InlineData(BillingEntity.Charge, "charge_id", 2)]
    [InlineData(BillingEntity.Bill, "bill_id", 2)]
    public async Task A_row_by_its_primary_key_takes_these_requests(string entity, string key, int requests)
    {
        await using var store = await stores.OpenDynamoDbAsync();
        Assert.NotNull(await store.GetAsync(entity, key, 2, Cancel));
        Assert.Equal(requests, store.Metrics.Requests);
    }

    [Fact]
    public async Task A_report_of_a_month_reads_its_index_alone()
    {
        await using var store = await stores.OpenDynamoDbAsync();
        await store.TotalAsync(new TotalQuery(BillingEntity.Charge, "amount").WhereWithin("charged_at", "2026-01-01", "2026-01-31") with { GroupBy = ["charge_type"] }, Cancel);
        Assert.Equal(16, store.Metrics.Requests);
    }

    [Fact]
    public async Task A_page_deep_in_a_partition_costs_what_a_first_page_costs()
    {
        await using var store = await stores.OpenDynamoDbAsync();
        var query = new RecordQuery(BillingEntity.Charge).Where("account_id", 2);
        var all = await store.ListAsync(query, Cancel);
        var half = await store.PageAsync(query, all.Count / 2, null, Cancel);
        var before = store.Metrics.Requests;
        var last = await store.PageAsync(query, 1, half.Continuation, Cancel);
        Assert.Equal(all[all.Count / 2], last.Records.Single());
        Assert.Equal(1, store.Metrics.Requests - before);
    }
}
