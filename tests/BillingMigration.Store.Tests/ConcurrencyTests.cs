using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>Many clients on one account: no update is lost, nothing is charged twice, sums are exact.</summary>
public sealed class ConcurrencyTests(SampleStores stores)
{
    private const int Clients = 200;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Two_hundred_clients_post_to_one_account(Backend backend)
    {
        await using var shop = await WritableShop.CreateAsync(stores, backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        var account = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("BUSY"), Cancel);
        var id = account["account_id"]!;
        await Task.WhenAll(Enumerable.Range(1, Clients).Select(n => store.PostChargeAsync(SampleRows.Charge(id, n), null, Cancel)));

        var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", id), Cancel);
        Assert.Equal(Enumerable.Range(1, Clients).Select(n => (decimal)n), charges.Select(c => c.Get<decimal>("amount")).Order());
        account = (await store.GetAsync(BillingEntity.Account, "account_id", id, Cancel))!;
        Assert.Equal(charges.Sum(c => c.Get<decimal>("amount") + c.Get<decimal>("tax_amount")), account["balance"]);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Bill_runs_beside_each_other_bill_each_charge_once_and_payments_add_up(Backend backend)
    {
        await using var shop = await WritableShop.CreateAsync(stores, backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        var id = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("BILLED"), Cancel))["account_id"]!;
        for (var n = 1; n <= 20; n++)
        {
            await store.PostChargeAsync(SampleRows.Charge(id, n), null, Cancel);
        }

        var bills = (await Task.WhenAll(Enumerable.Range(1, 8).Select(n => store.RunBillAsync(id, SampleRows.Bill(id, $"RUN-{n}"), null, Cancel)))).OfType<BillingRecord>().ToArray();
        var bill = Assert.Single(bills);
        Assert.Equal(210m, bill["subtotal"]);
        await stores.CatchUpAsync();
        Assert.Equal(20, (await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill["bill_id"]), Cancel)).Count);
        Assert.Empty(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", id).Where("bill_id", null), Cancel));

        var total = bill.Get<decimal>("total");
        await Task.WhenAll(Enumerable.Range(1, 10).Select(_ => store.PayAsync(bill["bill_id"]!, total / 10, new DateTime(2026, 3, 1), null, Cancel)));
        bill = (await store.GetAsync(BillingEntity.Bill, "bill_id", bill["bill_id"]!, Cancel))!;
        Assert.Equal((total, "PAID"), (bill["amount_paid"], bill["status"]));
        Assert.Equal(0m, (await store.GetAsync(BillingEntity.Account, "account_id", id, Cancel))!["balance"]);
    }
}
