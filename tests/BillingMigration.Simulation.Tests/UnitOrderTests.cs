// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Simulation.Tests;

/// <summary>Keys are held with each change of a unit, in its order, also where nothing but the item's own key keeps them, and where a change adds to a row that it does not read.</summary>
public sealed class UnitOrderTests
{
    [Fact]
    public void A_primary_key_is_free_when_its_row_has_left_it()
    {
        using var stores = Alone();
        var store = stores.Open();
        stores.Run(async () =>
        {
            var (one, other) = ((await Get(store, 1))!, (await Get(store, 2))!);
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Update(one, Id(2)).Delete(other))));
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Update(one, Id(2)).Update(other, Id(1)))));
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Update(one, Id(2)).Update(other, Id(3)))));
            Assert.Equal("Done", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Update(other, Id(3)).Update(one, Id(2)))));
            Assert.Equal(["8.00", "9.00"], new[] { (await Get(store, 2))!.Text("monthly_fee"), (await Get(store, 3))!.Text("monthly_fee") });
        });
    }

    [Fact]
    public void A_key_that_is_taken_is_refused_though_its_row_goes_with_its_parent()
    {
        using var stores = Alone(t => t with { ForeignKeys = [new ForeignKeySchema("of_subscriber", ["subscriber_id"], "subscriber", ["subscriber_id"], "CASCADE", "CASCADE")] });
        stores.MigrateAccount(2);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var parent = (await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", 2L))!;
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Agreement, Agreement(2, 1m).Add("agreement_id", 1L)).Delete(parent))));
        });
    }

    [Theory]
    [InlineData(BillingEntity.Account, "account_id")]
    [InlineData(BillingEntity.Customer, "customer_id")]
    [InlineData(BillingEntity.Bill, "bill_id")]
    [InlineData(BillingEntity.Subscriber, "subscriber_id")]
    public void A_column_that_others_refer_to_is_not_added_to(string entity, string column)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        stores.MigrateCharges(1, 2, values: _ => [("bill_id", 1L), ("subscriber_id", 1L)]);
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal("NotSupported", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Add(entity, SampleRows.Key(column, 1L), column, 100m))));
            Assert.NotNull(await store.GetAsync(entity, column, 1L));
        });
    }

    [Fact]
    public void A_sum_that_is_unique_is_held_to_its_key()
    {
        using var stores = Alone(t => t with { UniqueKeys = [new UniqueKeySchema("fee", ["subscriber_id", "monthly_fee"])] });
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(More(1, 1m))));
            Assert.Equal("Done", await stores.EndAsync(store.WriteAsync(More(1, 2m))));
        });
    }

    [Fact]
    public void Of_two_sums_that_meet_at_a_unique_value_one_is_refused()
    {
        using var stores = Alone(t => t with { UniqueKeys = [new UniqueKeySchema("fee", ["subscriber_id", "monthly_fee"])] });
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var isHeld = true;
            stores.DynamoDb.Script = r => r.Operation == "TransactWriteItems" && r.Process.Name == "other" && isHeld ? Fault.Conflict : null;
            var second = stores.EndAsync(other.WriteAsync(More(2, 1m)));
            await stores.PassAsync(TimeSpan.FromMilliseconds(300));
            Assert.Equal("Done", await stores.EndAsync(store.WriteAsync(More(1, 2m))));
            isHeld = false;
            Assert.Equal("DuplicateKey", await second);
        });
    }

    [Fact]
    public void Texts_of_a_key_are_told_apart_whatever_characters_they_have()
    {
        using var stores = Alone(t => t with
        {
            Columns = [.. t.Columns.Select(c => c.Name == "product_code" ? c with { Collation = "utf8mb4_bin" } : c),
                t.Columns.Single(c => c.Name == "product_code") with { Name = "note", Collation = "utf8mb4_bin", Ordinal = 90 }],
            UniqueKeys = [new UniqueKeySchema("texts", ["subscriber_id", "product_code", "note"])],
        });
        var store = stores.Open();
        stores.Run(async () =>
        {
            foreach (var (code, note) in new[] { ("a\u0001b", "c"), ("a", "b\u0001c"), ("a\u0002", "\u0001c"), ("a", "\u0002\u0001c") })
            {
                Assert.Equal("Done", await stores.EndAsync(store.InsertAsync(BillingEntity.Agreement, Agreement(1, 1m).SetItem("product_code", code).Add("note", note))));
            }

            Assert.Equal("DuplicateKey", await stores.EndAsync(store.InsertAsync(BillingEntity.Agreement, Agreement(1, 1m).SetItem("product_code", "a\u0001b").Add("note", "c"))));
        });
    }

    [Fact]
    public void What_forbids_a_deletion_is_named_however_much_it_is()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        for (var id = 2L; id < 130; id++)
        {
            stores.Migrate(BillingEntity.Account, id, ("customer_id", 1L), ("account_number", $"A{id}"), ("currency", "EUR"), ("bill_cycle_day", 5), ("opened_at", SimulatedStores.At));
        }

        var store = stores.Open();
        stores.Run(async () =>
        {
            var customer = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1L))!;
            Assert.Equal("HasChildren", await stores.EndAsync(store.DeleteAsync(customer)));
            Assert.Equal("HasChildren", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Charge, SampleRows.Charge(1L, 1m)).Delete(customer))));
        });
    }

    [Fact]
    public void A_missing_parent_is_told_before_what_later_changes_lack()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1L))!;
            var orphan = SampleRows.Account("A9").SetItem("customer_id", 9L);
            Assert.Equal("ParentMissing", await stores.EndAsync(store.WriteAsync(
                new UnitOfWork().Insert(BillingEntity.Account, orphan).Update(account, SampleRows.Values(("account_number", "A9"))))));
        });
    }

    [Fact]
    public void A_row_that_others_know_more_columns_of_is_written_over_by_nobody()
    {
        using var stores = Alone(t => LargeUnitShop.Wide(t, t.Name, 90));
        var old = stores.Open("old");
        var later = stores.OpenLater([.. stores.Shop.Tables.Select(t => t.Name != "service_agreement" ? t : t with
        {
            Columns = [.. t.Columns, .. Enumerable.Range(1, 40).Select(n => new ColumnSchema { Name = $"more_{n}", Ordinal = 200 + n, DataType = "int", ColumnType = "int", Nullable = true, HasDefault = true })],
        })]);
        stores.Run(async () =>
        {
            var (mine, same) = ((await Get(later, 1))!, (await Get(old, 1))!);
            var isHeld = true;
            stores.DynamoDb.Script = r => r.Operation == "TransactWriteItems" && r.Process.Name == "later" && isHeld ? Fault.Conflict : null;
            var second = stores.EndAsync(later.UpdateAsync(mine, SampleRows.Values(("monthly_fee", 3m))));
            await stores.PassAsync(TimeSpan.FromMilliseconds(300));
            Assert.Equal("Done", await stores.EndAsync(old.UpdateAsync(same, SampleRows.Values(("monthly_fee", 2m)))));
            isHeld = false;
            Assert.Equal("Conflict", await second);
            Assert.Equal("2.00", (await Get(old, 1))!.Text("monthly_fee"));
        });
    }

    /// <summary>Agreements 1 and 2 of subscriber 1, for 8 and 9, in partitions of their own; nothing refers to anything, unless <paramref name="change"/> says so.</summary>
    private static SimulatedStores Alone(Func<TableSchema, TableSchema>? change = null)
    {
        var stores = new SimulatedStores(
            SimulatedStores.Network,
            t => t.Name != "service_agreement" ? t : (change ?? (c => c))(t with { ForeignKeys = [] }),
            d => d.Replace(
                "\"pk\": \"ACCOUNT#{account_id}\",\n      \"sk\": \"SUBSCRIBER#{subscriber_id:D20}#AGREEMENT#{agreement_id:D20}\"", "\"pk\": \"AGREEMENT#{agreement_id}\",\n      \"sk\": \"AGREEMENT\"",
                StringComparison.Ordinal));
        stores.MigrateAccount(1);
        stores.Migrate(BillingEntity.Agreement, 1, [.. Agreement(1, 8m).Select(v => (v.Key, v.Value))]);
        stores.Migrate(BillingEntity.Agreement, 2, [.. Agreement(1, 9m).Select(v => (v.Key, v.Value))]);
        return stores;
    }

    private static ImmutableDictionary<string, object?> Agreement(long account, decimal fee) => SampleRows.Values(
        ("account_id", account), ("subscriber_id", account), ("product_code", "FLAT"), ("monthly_fee", fee), ("start_date", new DateOnly(2026, 1, 1)));

    private static Task<BillingRecord?> Get(DynamoDbBillingStore store, long id) => store.GetAsync(BillingEntity.Agreement, "agreement_id", id);

    private static ImmutableDictionary<string, object?> Id(long id) => SampleRows.Values(("agreement_id", id));

    private static UnitOfWork More(long id, decimal by) => new UnitOfWork().Add(BillingEntity.Agreement, SampleRows.Key("agreement_id", id), "monthly_fee", by);
}
