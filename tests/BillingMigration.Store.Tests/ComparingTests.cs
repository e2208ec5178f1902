using System.Collections.Concurrent;

namespace BillingMigration.Store.Tests;

/// <summary>Both backends are asked, the first answers, and what the second says otherwise is told without its values.</summary>
public sealed class ComparingTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Differences_of_reads_are_reported()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        var found = new ConcurrentQueue<StoreDifference>();
        await using var store = new ComparingBillingStore(await shop.OpenAsync(Backend.MySql), await shop.OpenAsync(Backend.DynamoDb), found.Enqueue);
        var charges = new RecordQuery(BillingEntity.Charge).Where("account_id", 1);
        var totals = new TotalQuery(BillingEntity.Charge, "amount").Where("account_id", 1);
        var all = await store.ListAsync(charges, Cancel);
        Assert.True(all.Count > 3);
        await store.PageAsync(charges, 3, null, Cancel);
        await store.TotalAsync(totals, Cancel);
        await store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel);
        Assert.Equal(StoreError.NoAccessPath, (await Assert.ThrowsAsync<StoreException>(() => store.PageAsync(new RecordQuery(BillingEntity.Charge), 1, null, Cancel))).Error);
        Assert.Empty(found);

        await shop.Database.ExecuteAsync($"UPDATE charge SET amount = amount + 1 WHERE charge_id = {all[1]["charge_id"]}; UPDATE customer SET email = 'private@example.org' WHERE customer_id = 1; DELETE FROM charge WHERE charge_id = {all[2]["charge_id"]}");
        Assert.Equal(all.Count - 1, (await store.ListAsync(charges, Cancel)).Count);
        Assert.Equal([$"CHARGE charge_id={all[1]["charge_id"]}: amount", $"CHARGE charge_id={all[3]["charge_id"]}: "], found.Select(d => $"{d.Row}: {string.Join(',', d.Columns)}"));
        found.Clear();
        await store.TotalAsync(totals, Cancel);
        Assert.Equal(["amount"], Assert.Single(found).Columns);
        found.Clear();
        await store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel);
        var difference = Assert.Single(found);
        Assert.Contains("email", difference.Columns);
        Assert.DoesNotContain("private", difference.ToString(), StringComparison.Ordinal);
    }
}
