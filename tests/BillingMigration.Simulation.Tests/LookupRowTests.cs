// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Simulation.Tests;

/// <summary>Rows whose item's key is made with a column of their parent.</summary>
public sealed class LookupRowTests
{
    [Fact]
    public void What_is_inserted_is_found_by_whoever_deletes_its_parent()
    {
        using var stores = ByCustomer(IndexesBehind);
        stores.MigrateEmptyAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            await store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(1, "+1"));
            await other.DeleteAsync((await other.GetAsync(BillingEntity.Account, "account_id", 1L))!);
            await stores.PassAsync(TimeSpan.FromMinutes(1));
            Assert.Null(await other.FindAsync(BillingEntity.Subscriber, "phone_number", "+1"));
        });
        Assert.DoesNotContain(stores.Items().Keys, k => k.Contains("/SUBSCRIBER", StringComparison.Ordinal));
    }

    [Fact]
    public void A_parent_besides_that_of_the_key_is_not_deleted_under_it()
    {
        const string Agreement = "\"pk\": \"ACCOUNT#{account_id}\",\n      \"sk\": \"SUBSCRIBER#{subscriber_id:D20}#AGREEMENT#{agreement_id:D20}\",";
        const string OfSubscriber = "\"lookups\": { \"sub\": { \"table\": \"subscriber\", \"on\": { \"subscriber_id\": \"subscriber_id\" } } },\n"
            + "\"pk\": \"ACCOUNT#{sub.account_id}\", \"sk\": \"AGREEMENT#{agreement_id:D20}\",";
        const string ById = "\"gsi2\": { \"pk\": \"AGREEMENT#{agreement_id}\", \"sk\": \"AGREEMENT\" },";
        using var stores = new SimulatedStores(
            IndexesBehind,
            t => t.Name != "service_agreement" ? t : t with
            {
                ForeignKeys =
                [
                    new ForeignKeySchema("of_subscriber", ["subscriber_id"], "subscriber", ["subscriber_id"], "CASCADE", "CASCADE"),
                    new ForeignKeySchema("paid_by", ["account_id"], "billing_account", ["account_id"], "RESTRICT", "RESTRICT"),
                ],
            },
            d => d.Replace(Agreement, OfSubscriber, StringComparison.Ordinal)
                .Replace(ById, $"{ById} \"gsi4\": {{ \"pk\": \"PAID_BY#{{account_id}}\", \"sk\": \"AGREEMENT#{{agreement_id:D20}}\" }},", StringComparison.Ordinal));
        stores.MigrateAccount(1);
        stores.MigrateEmptyAccount(2);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            await store.InsertAsync(BillingEntity.Agreement, SampleRows.Values(
                ("subscriber_id", 1L), ("account_id", 2L), ("product_code", "FLAT"), ("monthly_fee", 1m), ("start_date", new DateOnly(2026, 1, 1))));
            Assert.Equal("HasChildren", await stores.EndAsync(other.DeleteAsync((await other.GetAsync(BillingEntity.Account, "account_id", 2L))!)));
        });
    }

    [Fact]
    public void As_it_was_inserted_it_is_changed_moved_and_deleted()
    {
        using var stores = ByCustomer(SimulatedStores.Network);
        stores.MigrateEmptyAccount(1);
        stores.MigrateEmptyAccount(2);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var row = await store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(1, "+1"));
            row = await store.UpdateAsync(row, SampleRows.Values(("display_name", "x")));
            row = await store.UpdateAsync(row, SampleRows.Values(("account_id", 2L)));
            Assert.Equal(row, await store.FindAsync(BillingEntity.Subscriber, "phone_number", "+1"));
            Assert.Equal([$"CUSTOMER#2/SUBSCRIBER#{row.Get<long>("subscriber_id"):D20}"], stores.Items().Keys.Where(k => k.Contains("/SUBSCRIBER", StringComparison.Ordinal)));
            await store.DeleteAsync(await store.UpdateAsync(row, SampleRows.Values(("display_name", "y"))));
        });
        Assert.DoesNotContain(stores.Items().Keys, k => k.Contains("/SUBSCRIBER", StringComparison.Ordinal));
    }

    [Fact]
    public void As_it_was_inserted_it_is_deleted_with_many_children()
    {
        using var stores = ByCustomer(SimulatedStores.Network);
        stores.MigrateEmptyAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var row = await store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(1, "+1"));
            for (var unit = 0; unit < 6; unit++)
            {
                await store.WriteAsync(Enumerable.Range(0, 22).Aggregate(
                    new UnitOfWork(), (work, _) => work.Insert(BillingEntity.Charge, SampleRows.Charge(1L, 1m).Add("subscriber_id", row["subscriber_id"]))));
            }

            await store.DeleteAsync(row);
            Assert.All(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1L)), c => Assert.Null(c["subscriber_id"]));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void In_one_unit_it_is_inserted_and_goes_with_its_parent()
    {
        using var stores = ByCustomer(SimulatedStores.Network);
        stores.MigrateEmptyAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1L))!;
            Assert.Equal([null, null], await store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Subscriber, LargeUnitShop.Subscriber(1, "+1")).Delete(account)));
        });
        Assert.DoesNotContain(stores.Items().Keys, k => k.Contains("/SUBSCRIBER", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_its_parent_it_is_refused_as_the_source_does()
    {
        using var stores = ByCustomer(SimulatedStores.Network);
        stores.MigrateEmptyAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal("ParentMissing", await stores.EndAsync(store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(9, "+1"))));
            var row = await store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(1, "+1"));
            Assert.Equal("ParentMissing", await stores.EndAsync(store.UpdateAsync(row, SampleRows.Values(("account_id", 9L)))));
        });
    }

    private static SimulationOptions IndexesBehind { get; } =
        SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(5), IndexDelayLeast = TimeSpan.FromSeconds(4) };

    /// <summary>Subscribers lie in the partition of their account's customer, and nothing else refers to both.</summary>
    private static SimulatedStores ByCustomer(SimulationOptions options)
    {
        const string Key = "\"pk\": \"ACCOUNT#{account_id}\",\n      \"sk\": \"SUBSCRIBER#{subscriber_id:D20}\",";
        const string Lookup = "\"lookups\": { \"account\": { \"table\": \"billing_account\", \"on\": { \"account_id\": \"account_id\" } } },\n"
            + "\"pk\": \"CUSTOMER#{account.customer_id}\", \"sk\": \"SUBSCRIBER#{subscriber_id:D20}\",";
        const string Phone = "\"gsi2\": { \"pk\": \"PHONE#{phone_number:collated}\", \"sk\": \"SUBSCRIBER\" }";
        var stores = new SimulatedStores(
            options,
            t => t.Name == "service_agreement" ? t with { ForeignKeys = [] }
                : t.Name == "subscriber" ? t with { UniqueKeys = [.. t.UniqueKeys.Where(k => k.Columns is ["phone_number"])] }
                : t,
            d => d.Replace(Key, Lookup, StringComparison.Ordinal)
                .Replace(Phone, $"{Phone}, \"gsi3\": {{ \"pk\": \"OF_ACCOUNT#{{account_id}}\", \"sk\": \"SUBSCRIBER#{{subscriber_id:D20}}\" }}", StringComparison.Ordinal));
        Assert.Empty(StoreFit.Check(stores.Shop.Model));
        return stores;
    }
}
