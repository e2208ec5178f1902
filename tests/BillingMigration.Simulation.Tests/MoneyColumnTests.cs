// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Model;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>Sums and payments in the decimals that columns have.</summary>
public sealed class MoneyColumnTests
{
    [Theory]
    [InlineData("amount_paid", 4, 2, "balance")]
    [InlineData("balance", 2, 4, "amount_paid")]
    public void A_payment_with_more_decimals_than_bill_or_account_have_is_refused(string wide, int ofBill, int ofAccount, string named)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, t => WithScale(WithScale(t, "bill", ofBill), "account", ofAccount));
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var refused = await Assert.ThrowsAsync<StoreException>(() => store.PayAsync(1L, 0.005m, SampleRows.At));
            Assert.Equal((StoreError.ValueInvalid, named), (refused.Error, refused.Subject));
            Assert.NotEqual(wide, refused.Subject);
            await store.PayAsync(1L, 0.0100m, SampleRows.At);
            Assert.Equal(0.01m, (await store.GetAsync(BillingEntity.Bill, "bill_id", 1L))!["amount_paid"]);
            Assert.Equal(99.99m, (await store.GetAsync(BillingEntity.Account, "account_id", 1L))!["balance"]);
        });
    }

    [Theory]
    [InlineData(3, 4)]
    [InlineData(3, 0)]
    [InlineData(130, 4)]
    [InlineData(130, 0)]
    public void The_sums_of_a_bill_have_the_decimals_of_its_columns(int charges, int scale)
    {
        using var stores = new SimulatedStores(change: t => WithScale(t, "bill", scale));
        Charges(stores, charges);
        var store = stores.Open();
        var bill = stores.Run(() => store.RunBillAsync(1L, SampleRows.Bill(1L, "RUN")))!;
        decimal Kept(decimal sum) => Math.Round(sum, scale, MidpointRounding.AwayFromZero);
        Assert.Equal((Kept(1.3335m * charges), Kept(0.2225m * charges)), (bill["subtotal"], bill["tax_amount"]));
        Assert.Equal(bill.Get<decimal>("subtotal") + bill.Get<decimal>("tax_amount"), bill["total"]);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(131)]
    public void A_total_that_its_column_cannot_hold_is_refused_and_nothing_is_billed(int charges)
    {
        using var stores = new SimulatedStores(change: t => WithScale(t, "bill", 4, "subtotal", "tax_amount"));
        Charges(stores, charges);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var refused = await Assert.ThrowsAsync<StoreException>(() => store.RunBillAsync(1L, SampleRows.Bill(1L, "RUN")));
            Assert.Equal((StoreError.ValueInvalid, "total"), (refused.Error, refused.Subject));
            Assert.Equal(charges, (await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1L).Where("bill_id", null))).Count);
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void A_refund_takes_no_more_than_was_paid()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            await store.PayAsync(1L, 158m, SampleRows.At);
            var refused = await Assert.ThrowsAsync<StoreException>(() => store.PayAsync(1L, -500m, SampleRows.At));
            Assert.Equal((StoreError.ValueInvalid, "amount_paid"), (refused.Error, refused.Subject));
            var refunded = await store.PayAsync(1L, -100m, SampleRows.At);
            Assert.Equal((58m, "PAID"), (refunded["amount_paid"], refunded["status"]));
            Assert.Equal(StoreError.ValueInvalid, (await Assert.ThrowsAsync<StoreException>(() => store.PayAsync(1L, -58.01m, SampleRows.At))).Error);
            await store.PayAsync(1L, -58m, SampleRows.At);
            Assert.Equal(100m, (await store.GetAsync(BillingEntity.Account, "account_id", 1L))!["balance"]);
        });
    }

    [Fact]
    public void What_a_bill_below_zero_gives_back_is_no_refund()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        stores.Migrate(BillingEntity.Bill, 2, [.. SampleRows.Bill(1L, "CREDIT").SetItem("total", -50m).Select(v => (v.Key, v.Value))]);
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal(StoreError.ValueInvalid, (await Assert.ThrowsAsync<StoreException>(() => store.PayAsync(2L, -50.01m, SampleRows.At))).Error);
            Assert.Equal((-50m, "PAID"), (await store.PayAsync(2L, -50m, SampleRows.At)) is var paid ? (paid["amount_paid"], paid["status"]) : default);
        });
    }

    private static TableSchema WithScale(TableSchema table, string of, int scale, params string[] columns)
    {
        string[] names = columns.Length > 0 ? columns : ["subtotal", "tax_amount", "total", "amount_paid", "balance"];
        return table.Name != of ? table : table with
        {
            Columns = [.. table.Columns.Select(c => names.Contains(c.Name) ? c with { Scale = scale, ColumnType = $"decimal({c.Precision},{scale})" } : c)],
        };
    }

    private static void Charges(SimulatedStores stores, int count)
    {
        stores.MigrateAccount(1);
        for (var n = 1; n <= count; n++)
        {
            stores.Migrate(BillingEntity.Charge, n, [.. SampleRows.Charge(1L, 1.3335m).SetItem("tax_amount", 0.2225m).Select(v => (v.Key, v.Value))]);
        }
    }
}
