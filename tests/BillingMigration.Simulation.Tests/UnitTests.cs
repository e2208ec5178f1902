// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using System.Collections.Immutable;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>Units of several changes that have to do with each other, and values that rows take of each other.</summary>
public sealed class UnitTests : IDisposable
{
    private readonly SimulatedStores stores = new(SimulatedStores.Network);
    private readonly DynamoDbBillingStore store;

    public UnitTests()
    {
        stores.MigrateAccount(17);
        stores.MigrateAccount(18);
        stores.Migrate(BillingEntity.Charge, 100, [.. SampleRows.Charge(17L, 1m).Select(v => (v.Key, v.Value))]);
        store = stores.Open();
    }

    public void Dispose() => stores.Dispose();

    [Fact]
    public void A_charge_that_a_unit_gives_to_a_bill_loses_it_with_the_bill()
    {
        Write(new UnitOfWork().Update(Get(BillingEntity.Charge, 100)!, SampleRows.Values(("bill_id", 17L))).Delete(Get(BillingEntity.Bill, 17)!));
        Assert.Null(Get(BillingEntity.Charge, 100)!["bill_id"]);
    }

    [Fact]
    public void Children_that_a_unit_inserts_go_with_the_parent_that_it_deletes()
    {
        Write(new UnitOfWork().Insert(BillingEntity.Charge, SampleRows.Charge(18L, 5m)).Delete(Get(BillingEntity.Account, 18)!));
        Write(new UnitOfWork().Insert(BillingEntity.Agreement, Agreement(17, 17)).Delete(Get(BillingEntity.Subscriber, 17)!));
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("ACCOUNT#18/", StringComparison.Ordinal) || k.Contains("AGREEMENT#", StringComparison.Ordinal));
    }

    [Fact]
    public void What_forbids_a_deletion_forbids_it_when_the_unit_has_made_it_and_until_the_unit_takes_it_away()
    {
        stores.Migrate(BillingEntity.Customer, 50, ("customer_number", "C50"), ("address", "{}"));
        var (customer, account) = (Get(BillingEntity.Customer, 17)!, Get(BillingEntity.Account, 17)!);
        Assert.Equal(StoreError.HasChildren, Refused(new UnitOfWork().Insert(BillingEntity.Account, SampleRows.Account("N1").SetItem("customer_id", 50L)).Delete(Get(BillingEntity.Customer, 50)!)));
        Assert.Equal(StoreError.HasChildren, Refused(new UnitOfWork().Delete(customer).Delete(account)));
        Assert.Equal(StoreError.HasChildren, Refused(new UnitOfWork().Update(Get(BillingEntity.Account, 18)!, SampleRows.Values(("customer_id", 17L))).Delete(customer)));
        Write(new UnitOfWork().Update(account, SampleRows.Values(("customer_id", 18L))).Delete(customer));
        Assert.Equal((true, "18"), (Get(BillingEntity.Customer, 17) is null, Get(BillingEntity.Account, 17)!.Text("customer_id")));
    }

    [Fact]
    public void A_unique_value_is_free_when_its_foreign_key_is_released()
    {
        using var unique = new SimulatedStores(
            SimulatedStores.Network, t => t.Name == "charge" ? t with { UniqueKeys = t.UniqueKeys.Add(new("bill_text", ["bill_id", "description"])) } : t);
        unique.MigrateAccount(17);
        unique.Migrate(BillingEntity.Charge, 100, [.. SampleRows.Charge(17L, 1m).SetItem("bill_id", 17L).Select(v => (v.Key, v.Value))]);
        var writer = unique.Open();
        unique.Run(async () => await writer.WriteAsync(new UnitOfWork()
            .Delete((await writer.GetAsync(BillingEntity.Bill, "bill_id", 17L))!)
            .Insert(BillingEntity.Bill, SampleRows.Bill(17L, "AGAIN").SetItem("bill_id", 17L))
            .Insert(BillingEntity.Charge, SampleRows.Charge(17L, 5m).SetItem("bill_id", 17L))));
        var charges = unique.Run(() => writer.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 17L)));
        Assert.Equal([5m], charges.Where(c => c["bill_id"] is not null).Select(c => c.Get<decimal>("amount")));
    }

    [Fact]
    public void A_row_that_an_earlier_change_has_deleted_is_not_changed_any_more()
    {
        Assert.Equal(StoreError.Conflict, Refused(new UnitOfWork().Delete(Get(BillingEntity.Account, 17)!).Update(Get(BillingEntity.Charge, 100)!, SampleRows.Values(("description", "x")))));
        Write(new UnitOfWork().Delete(Get(BillingEntity.Account, 17)!).Delete(Get(BillingEntity.Charge, 100)!));
        Assert.Null(Get(BillingEntity.Charge, 100));
    }

    [Fact]
    public void A_value_of_another_row_is_held_to_its_column()
    {
        var rows = Write(new UnitOfWork().Insert(BillingEntity.Charge, SampleRows.Charge(17L, 1.2345m)).Insert(BillingEntity.Bill, SampleRows.Bill(17L, "X1").SetItem("subtotal", new ValueOf(0, "amount"))));
        Assert.Equal("1.23", Get(BillingEntity.Bill, rows[1]!.Get<long>("bill_id"))!.Text("subtotal"));
        Assert.Equal(StoreError.ValueInvalid, Refused(new UnitOfWork()
            .Insert(BillingEntity.Charge, SampleRows.Charge(17L, 1m).SetItem("description", new string('z', 60))).Insert(BillingEntity.Bill, SampleRows.Bill(17L, "X2").SetItem("bill_number", new ValueOf(0, "description")))));
        Assert.Equal(StoreError.ValueInvalid, Refused(new UnitOfWork()
            .Insert(BillingEntity.Charge, SampleRows.Charge(17L, 1m)).Insert(BillingEntity.Charge, SampleRows.Charge(17L, 1m).SetItem("amount", new ValueOf(0, "subscriber_id")))));
    }

    [Fact]
    public void A_value_is_that_of_an_earlier_insert_or_update_and_does_not_move_what_others_refer_to()
    {
        var key = ImmutableDictionary<string, object>.Empty.Add("account_id", 17L);
        Assert.Equal(StoreError.ValueInvalid, Refused(new UnitOfWork().Add(BillingEntity.Account, key, "balance", 1m).Insert(BillingEntity.Charge, SampleRows.Charge(new ValueOf(0, "account_id"), 1m))));
        Assert.Equal(StoreError.NotSupported, Refused(new UnitOfWork()
            .Insert(BillingEntity.Account, SampleRows.Account("N1").SetItem("customer_id", 17L)).Update(Get(BillingEntity.Subscriber, 17)!, SampleRows.Values(("account_id", new ValueOf(0, "account_id"))))));
        Assert.Equal(StoreError.NotSupported, Refused(new UnitOfWork()
            .Insert(BillingEntity.Charge, SampleRows.Charge(17L, 1m)).Update(Get(BillingEntity.Bill, 17)!, SampleRows.Values(("bill_id", new ValueOf(0, "charge_id"))))));
    }

    [Fact]
    public void A_row_may_be_added_to_twice_and_by_the_unit_that_inserts_it()
    {
        var key = ImmutableDictionary<string, object>.Empty.Add("account_id", 5_000L);
        Write(new UnitOfWork().Insert(BillingEntity.Account, SampleRows.Account("N1").SetItems(SampleRows.Values(("customer_id", 17L), ("account_id", 5_000L)))).Add(BillingEntity.Account, key, "balance", 5m).Add(BillingEntity.Account, key, "balance", 2m));
        Assert.Equal(7m, Get(BillingEntity.Account, 5_000)!["balance"]);
    }

    [Fact]
    public void The_key_of_a_refused_insert_is_none_that_others_go_on_above()
    {
        Assert.Equal(StoreError.ParentMissing, Refused(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(999L, "H1").SetItem("bill_id", ulong.MaxValue))));
        Assert.InRange(Write(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(17L, "H2")))[0]!.Get<long>("bill_id"), 1, 2_000);
        Write(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(17L, "H3").SetItem("bill_id", ulong.MaxValue)));
        Assert.Equal(StoreError.ValueInvalid, Refused(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(17L, "H4")), times: 25));
    }

    [Fact]
    public void A_generated_key_is_none_that_the_unit_gives_itself()
    {
        var last = Write(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(17L, "G1")))[0]!.Get<long>("bill_id");
        var rows = Write(new UnitOfWork().Insert(BillingEntity.Bill, SampleRows.Bill(17L, "G2").SetItem("bill_id", last + 1)).Insert(BillingEntity.Bill, SampleRows.Bill(17L, "G3")));
        Assert.Equal((last + 1, last + 2), (rows[0]!.Get<long>("bill_id"), rows[1]!.Get<long>("bill_id")));
    }

    [Fact]
    public void What_is_added_goes_to_the_row_that_has_the_key_by_then()
    {
        var key = ImmutableDictionary<string, object>.Empty.Add("charge_id", 100L);
        var charge = Get(BillingEntity.Charge, 100)!;
        Assert.Equal(StoreError.Conflict, Refused(new UnitOfWork().Update(charge, SampleRows.Values(("charge_id", 900L))).Add(BillingEntity.Charge, key, "amount", 1m)));
        Write(new UnitOfWork().Add(BillingEntity.Charge, key, "amount", 1m).Update(charge, SampleRows.Values(("charge_id", 900L))));
        Assert.Equal(2m, Get(BillingEntity.Charge, 900)!["amount"]);
    }

    [Fact]
    public void A_payment_has_no_more_decimals_than_the_bill()
    {
        stores.Run(async () => Assert.Equal(StoreError.ValueInvalid, (await Assert.ThrowsAsync<StoreException>(() => store.PayAsync(17L, 0.005m, SimulatedStores.At))).Error));
        Assert.Equal((0m, 100m), (Get(BillingEntity.Bill, 17)!["amount_paid"], Get(BillingEntity.Account, 17)!["balance"]));
    }

    private static ImmutableDictionary<string, object?> Agreement(long subscriber, long account) => SampleRows.Values(
        ("subscriber_id", subscriber), ("account_id", account), ("product_code", "P"), ("monthly_fee", 1m), ("start_date", new DateOnly(2026, 1, 1)));

    private BillingRecord? Get(string entity, long id)
    {
        var model = stores.Shop.Model[entity];
        return stores.Run(() => store.GetAsync(entity, model.Row[model.PrimaryKey[0]].Column.Name, id));
    }

    private ImmutableArray<BillingRecord?> Write(UnitOfWork work) => stores.Run(() => store.WriteAsync(work));

    /// <param name="times">As often it is tried at most: keys that were taken already are given first.</param>
    private StoreError? Refused(UnitOfWork work, int times = 1)
    {
        var before = stores.Items();
        for (var i = 0; i < times; i++)
        {
            try
            {
                Write(work with { Changes = [.. work.Changes.Select(c => c is InsertChange insert && times > 1 ? insert with { Values = insert.Values.ToImmutableDictionary().SetItem("bill_number", $"H{100 + i}") } : c)] });
            }
            catch (StoreException e)
            {
                Assert.True(times > 1 || before.SequenceEqual(stores.Items()));
                return e.Error;
            }
        }

        return null;
    }
}
