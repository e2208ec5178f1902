// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>The rules of keys, foreign keys and columns, which a unit in parts keeps as one of a single transaction does.</summary>
public sealed class SharedRuleTests
{
    private const long Account = 17;
    private const long Other = 18;

    [Theory]
    [InlineData(20, true)]
    [InlineData(120, true)]
    [InlineData(120, false)]
    public void A_run_does_not_bill_to_a_bill_that_is_there(int charges, bool isGiven)
    {
        using var stores = Stores(charges, define: LargeUnitShop.BillsAlone);
        Assert.DoesNotContain(StoreFit.Check(stores.Shop.Model), g => g.Entity is BillingEntity.Bill or BillingEntity.Charge);
        stores.MigrateAccount(Other);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var theirs = Other;
            if (!isGiven)
            {
                // The keys from here on are this process's, and another gives the next one by hand.
                theirs = (await store.InsertAsync(BillingEntity.Bill, SampleRows.Bill(Other, "FIRST"))).Get<long>("bill_id") + 1;
                await other.InsertAsync(BillingEntity.Bill, SampleRows.Bill(Other, "SECOND").SetItem("bill_id", theirs));
            }

            var bill = isGiven ? SimulatedStores.NewBill(Account).SetItem("bill_id", theirs) : SimulatedStores.NewBill(Account);
            Assert.Equal(isGiven ? "DuplicateKey" : "Done", await stores.EndAsync(store.RunBillAsync(Account, bill)));
            Assert.DoesNotContain(await ChargesAsync(other), c => c["bill_id"] is { } id && Equals(Convert.ToInt64(id, null), theirs));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(20)]
    [InlineData(120)]
    public void A_unique_key_with_the_bill_in_it_is_kept_by_a_run(int charges)
    {
        using var stores = Stores(charges, t => WithUnique(t, "charge", "bill_id", "description"), values: n => [("description", n < 2 ? "fee" : $"call {n}")]);
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.RunBillAsync(Account, SimulatedStores.NewBill(Account))));
            Assert.All(await ChargesAsync(store), c => Assert.Null(c["bill_id"]));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(20)]
    [InlineData(120)]
    public void What_a_run_has_made_unique_is_nobody_elses_while_indexes_are_behind(int charges)
    {
        using var stores = Stores(
            charges, t => WithUnique(t, "charge", "bill_id", "description"), values: n => [("description", $"call {n}")],
            options: SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(3), IndexDelayLeast = TimeSpan.FromSeconds(2) });
        var store = stores.Open();
        stores.Run(async () =>
        {
            var bill = (await store.RunBillAsync(Account, SimulatedStores.NewBill(Account)))!;
            var twice = SampleRows.Charge(Account, 1m).SetItem("description", "call 7").SetItem("bill_id", bill["bill_id"]);
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.InsertAsync(BillingEntity.Charge, twice)));
        });
    }

    [Theory]
    [InlineData("CASCADE", 5)]
    [InlineData("RESTRICT", 5)]
    [InlineData("CASCADE", 150)]
    public void Rows_without_a_parent_are_not_the_children_of_one_without_the_value(string onDelete, int charges)
    {
        var sim = new ForeignKeySchema("charge_sim", ["account_id", "subscriber_id"], "subscriber", ["account_id", "imsi"], onDelete, "RESTRICT");
        using var stores = Stores(charges, t => t.Name == "charge" ? t with { ForeignKeys = t.ForeignKeys.Add(sim) } : WithUnique(t, "subscriber", "account_id", "imsi"));
        var store = stores.Open();
        stores.Run(async () =>
        {
            var subscriber = (await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", Account))!;
            Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync(subscriber)));
            Assert.Equal(charges, (await ChargesAsync(store)).Count);
        });
    }

    [Theory]
    [InlineData("charge_currency", false)]
    [InlineData("a_currency", false)]
    [InlineData("a_currency", true)]
    public void A_parent_that_two_foreign_keys_refer_to_is_held_to_both(string name, bool posts)
    {
        var currency = new ForeignKeySchema(name, ["account_id", "currency"], "billing_account", ["account_id", "currency"], "CASCADE", "CASCADE");
        using var stores = Stores(0, t => t.Name == "charge"
            ? t with
            {
                Columns = t.Columns.Add(new() { Name = "currency", Ordinal = 99, DataType = "char", ColumnType = "char(3)", Nullable = true, HasDefault = true, MaxLength = 3, CharacterSet = "ascii", Collation = "ascii_bin" }),
                ForeignKeys = [.. t.ForeignKeys.Append(currency).OrderBy(f => f.Name, StringComparer.Ordinal)],
            }
            : t.Name == "billing_account" ? WithUnique(t with { Columns = [.. t.Columns.Select(c => c.Name == "currency" ? c with { CharacterSet = "ascii", Collation = "ascii_bin" } : c)] }, "billing_account", "account_id", "currency")
            : t);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var (right, wrong) = (SampleRows.Charge(Account, 1m).SetItem("currency", "EUR"), SampleRows.Charge(Account, 1m).SetItem("currency", "USD"));
            Assert.Equal("ParentMissing", await stores.EndAsync(posts ? store.PostChargeAsync(wrong) : store.InsertAsync(BillingEntity.Charge, wrong)));
            Assert.Equal("ParentMissing", await stores.EndAsync(store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Charge, right).Insert(BillingEntity.Charge, wrong))));
            await (posts ? store.PostChargeAsync(right) : store.InsertAsync(BillingEntity.Charge, right));
        });
    }

    [Theory]
    [InlineData(5)]
    [InlineData(120)]
    public void What_the_source_sets_with_each_update_is_set_by_a_run(int charges)
    {
        using var stores = Stores(charges, t => t.Name == "charge" ? t with { Columns = [.. t.Columns.Select(c => c.Name == "created_at" ? c with { UpdatedAutomatically = true } : c)] } : t);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var before = (await ChargesAsync(store))[0].Text("created_at");
            await store.RunBillAsync(Account, SimulatedStores.NewBill(Account));
            Assert.All(await ChargesAsync(store), c => Assert.NotEqual(before, c.Text("created_at")));
        });
    }

    [Theory]
    [InlineData(3)]
    [InlineData(120)]
    public void A_row_that_refers_to_itself_forbids_nothing(int charges)
    {
        using var stores = Stores(
            0, t => t.Name == "subscriber" ? t with { ForeignKeys = t.ForeignKeys.Add(new("subscriber_payer", ["imsi"], "subscriber", ["subscriber_id"], "RESTRICT", "RESTRICT")) } : t,
            json => json.Replace("""{phone_number:collated}", "sk": "SUBSCRIBER" }""", """{phone_number:collated}", "sk": "SUBSCRIBER" }, "gsi3": { "pk": "PAYER#{imsi}", "sk": "{subscriber_id:D20}" }""", StringComparison.Ordinal));
        stores.Migrate(BillingEntity.Subscriber, 19, ("account_id", Account), ("phone_number", "+19"), ("imsi", 19L), ("activated_at", SimulatedStores.At));
        stores.MigrateCharges(Account, charges, values: _ => [("subscriber_id", 19L)]);
        var store = stores.Open();
        stores.Run(async () => Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", 19L))!))));
        Assert.All(stores.Run(() => ChargesAsync(store)), c => Assert.Null(c["subscriber_id"]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(120)]
    public void A_reference_that_others_refer_to_is_not_set_to_null(int charges)
    {
        using var stores = Stores(charges, t => t.Name == "service_agreement" ? t with { ForeignKeys = [new("agreement_charge", ["subscriber_id"], "charge", ["bill_id"], "RESTRICT", "RESTRICT")] } : t, values: _ => [("bill_id", Account)]);
        stores.Migrate(
            BillingEntity.Agreement, 5, ("subscriber_id", Account), ("account_id", Account), ("product_code", "FLAT"), ("monthly_fee", 1m), ("start_date", new DateOnly(2026, 1, 1)));
        var store = stores.Open();
        stores.Run(async () => Assert.Equal("HasChildren", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Bill, "bill_id", Account))!))));
        Assert.All(stores.Run(() => ChargesAsync(store)), c => Assert.NotNull(c["bill_id"]));
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void A_unit_that_takes_a_unique_value_and_leaves_it_again_needs_it_free()
    {
        using var stores = Stores(0, options: SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(5), IndexDelayLeast = TimeSpan.FromSeconds(4) });
        stores.MigrateAccount(Other);
        var store = stores.Open();
        stores.Run(async () =>
        {
            await store.InsertAsync(BillingEntity.Subscriber, LargeUnitShop.Subscriber(Other, "+4711"));
            var account = (await store.GetAsync(BillingEntity.Account, "account_id", Account))!;
            var unit = new UnitOfWork().Insert(BillingEntity.Subscriber, LargeUnitShop.Subscriber(Account, "+4711")).Delete(account);
            Assert.Equal("DuplicateKey", await stores.EndAsync(store.WriteAsync(unit)));
        });
    }

    [Fact]
    public void Keys_that_are_taken_are_passed_over_without_a_pause()
    {
        using var stores = Stores(0);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var last = (await store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(Account, 1m))).Get<long>("charge_id");
            for (var n = 1; n < 20; n++)
            {
                await other.InsertAsync(BillingEntity.Charge, SampleRows.Charge(Account, 2m).SetItem("charge_id", last + n));
            }

            var began = stores.Time.GetTimestamp();
            await store.PostChargeAsync(SampleRows.Charge(Account, 3m));
            Assert.InRange(stores.Time.GetElapsedTime(began), TimeSpan.Zero, TimeSpan.FromSeconds(2));
        });
    }

    private static SimulatedStores Stores(
        int charges, Func<TableSchema, TableSchema>? change = null, Func<string, string>? define = null, Func<int, (string Column, object? Value)[]>? values = null, SimulationOptions? options = null)
    {
        var stores = new SimulatedStores(options ?? SimulatedStores.Network, change, define);
        stores.MigrateAccount(Account);
        stores.MigrateCharges(Account, charges, values: values);
        return stores;
    }

    private static TableSchema WithUnique(TableSchema table, string name, params string[] columns) =>
        table.Name == name ? table with { UniqueKeys = table.UniqueKeys.Add(new($"{name}_unique", [.. columns])) } : table;

    private static Task<IReadOnlyList<BillingRecord>> ChargesAsync(DynamoDbBillingStore store) => store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", Account));
}
