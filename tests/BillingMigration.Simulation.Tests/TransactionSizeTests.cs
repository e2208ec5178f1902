// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>
/// Rows that are few and large: a transaction takes 4 MB, of items as they stand in the table, and an item 400 KB. MySQL takes them all, so they are
/// written in parts, or refused by that name.
/// </summary>
public sealed class TransactionSizeTests
{
    /// <summary>Sizes about those at which 80, 100 and 50 of them are 4 MB.</summary>
    [Theory]
    [InlineData(100, 39_000)]
    [InlineData(100, 51_800)]
    [InlineData(100, 52_100)]
    [InlineData(50, 83_400)]
    [InlineData(130, 90_000)]
    public void Large_charges_are_billed_and_deleted(int count, int size)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, SimulatedShop.WithLongTexts);
        stores.MigrateAccount(1);
        stores.MigrateCharges(1, count, values: _ => [("description", new string('x', size))]);
        var store = stores.Open();
        stores.Run(async () =>
        {
            Assert.Equal((decimal)count, (await store.RunBillAsync(1L, SimulatedStores.NewBill(1)))!["total"]);
            Assert.Empty(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1L).Where("bill_id", null)));
            await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 1L))!);
        });
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("ACCOUNT#1/", StringComparison.Ordinal));
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(30)]
    [InlineData(60)]
    [InlineData(110)]
    public void What_is_large_may_be_a_column_that_a_process_does_not_know(int count)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var old = stores.Open("old");
        var receipt = Blob("receipt");
        var later = stores.OpenLater([.. stores.Shop.Tables.Select(t => t.Name == "charge" ? t with { Columns = t.Columns.Add(receipt) } : t)]);
        stores.Run(async () =>
        {
            for (var n = 0; n < count; n++)
            {
                await later.PostChargeAsync(SampleRows.Charge(1L, 1m).SetItem("tax_amount", 0m).Add("receipt", new byte[90_000]));
            }

            Assert.Equal((decimal)count, (await old.RunBillAsync(1L, SimulatedStores.NewBill(1)))!["total"]);
            await old.DeleteAsync((await old.GetAsync(BillingEntity.Account, "account_id", 1L))!);
        });
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("ACCOUNT#1/", StringComparison.Ordinal));
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void What_came_last_to_an_account_may_have_more_than_a_request_gives()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, SimulatedShop.WithLongTexts);
        stores.MigrateAccount(1);
        var store = stores.Open();
        var charge = SampleRows.Charge(1L, 1m).SetItem("tax_amount", 0m).SetItem("description", new string('x', 300_000));
        stores.Run(async () =>
        {
            for (var unit = 0; unit < 8; unit++)
            {
                await store.WriteAsync(new UnitOfWork().Insert(BillingEntity.Charge, charge).Insert(BillingEntity.Charge, charge));
            }

            Assert.Equal(16m, (await store.RunBillAsync(1L, SimulatedStores.NewBill(1)))!["total"]);
            await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 1L))!);
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void A_run_of_large_charges_whose_owner_dies_is_finished_by_another()
    {
        for (var at = 1; at <= 6; at++)
        {
            using var shop = new LargeUnitShop(change: SimulatedShop.WithLongTexts);
            var stores = shop.Stores;
            stores.MigrateAccount(1);
            var (owner, other, sent, kill) = (shop.OpenOwner(), stores.Open("other"), 0, at);
            stores.Run(async () =>
            {
                for (var n = 0; n < 120; n++)
                {
                    await other.PostChargeAsync(SampleRows.Charge(1L, 1m).SetItem("tax_amount", 0m).SetItem("description", new string('x', n > 100 ? 250_000 : 100)));
                }

                shop.At("", () =>
                {
                    if (++sent == kill)
                    {
                        shop.Process.Kill();
                    }

                    return null;
                });
                _ = owner.RunBillAsync(1L, SimulatedStores.NewBill(1));
                await stores.PassAsync(TimeSpan.FromMinutes(5));
                var bill = await other.FindAsync(BillingEntity.Bill, "bill_number", "NEW") ?? await other.RunBillAsync(1L, SimulatedStores.NewBill(1, "OTHER"));
                Assert.Equal(120m, bill!["total"]);
                Assert.Equal("Done", await stores.EndAsync(other.PostChargeAsync(SampleRows.Charge(1L, 1m))));
            });
            Assert.Equal(0, stores.OpenUnits());
        }
    }

    [Theory]
    [InlineData(320_000, true)]
    [InlineData(380_000, true)]
    [InlineData(398_000, false)]
    public void A_bill_with_a_document_is_made_of_many_charges(int size, bool isMade)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, t => t.Name != "bill" ? t : t with
        {
            Columns = t.Columns.Add(Blob("document")),
        });
        stores.MigrateAccount(1);
        stores.MigrateCharges(1, 120);
        var (store, document) = (stores.Open(), new byte[size]);
        new Random(1).NextBytes(document);
        stores.Run(async () =>
        {
            var error = await Record.ExceptionAsync(() => store.RunBillAsync(1L, SimulatedStores.NewBill(1).Add("document", document)));
            if (isMade)
            {
                Assert.Null(error);
                Assert.Equal(document, (await store.FindAsync(BillingEntity.Bill, "bill_number", "NEW"))!["document"]);
            }
            else
            {
                var refused = Assert.IsType<StoreException>(error);
                Assert.Equal((StoreError.TooManyRows, BillingEntity.Bill), (refused.Error, refused.Subject));
                Assert.Contains("390,000", refused.Message, StringComparison.Ordinal);
            }
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void Units_of_many_rows_with_long_keys_go_on_one_after_the_other()
    {
        using var stores = new SimulatedStores(
            SimulatedStores.Network,
            t => t.Name != "service_agreement" ? t : t with
            {
                PrimaryKey = ["account_id", "product_code", "agreement_id"],
                Columns = [.. t.Columns.Select(c => c.Name == "product_code" ? c with { ColumnType = "varchar(300)", MaxLength = 300, Collation = "utf8mb4_bin" } : c)],
            },
            d => d.Replace("SUBSCRIBER#{subscriber_id:D20}#AGREEMENT#{agreement_id:D20}", "AGREEMENT#{product_code}#{agreement_id:D20}", StringComparison.Ordinal));
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            for (var unit = 0; unit < 10; unit++)
            {
                await store.WriteAsync(Enumerable.Range(0, 80).Aggregate(new UnitOfWork(), (work, n) => work.Insert(BillingEntity.Agreement, SampleRows.Values(
                    ("agreement_id", 10_000L + (unit * 100) + n), ("account_id", 1L), ("subscriber_id", 1L), ("product_code", new string('\u4e00', 290)), ("monthly_fee", 1m),
                    ("start_date", new DateOnly(2026, 1, 1))))));
            }

            Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 1L))!)));
        });
    }

    [Fact]
    public void A_unit_of_more_is_refused_as_too_much()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, t => t.Name != "billing_account" ? t : t with
        {
            Columns = t.Columns.Add(Blob("picture")),
        });
        for (var id = 1L; id <= 12; id++)
        {
            stores.MigrateEmptyAccount(id, ("balance", 1m), ("picture", new byte[380_000]));
        }

        var store = stores.Open();
        stores.Run(async () =>
        {
            var add = Enumerable.Range(1, 12).Aggregate(new UnitOfWork(), (work, id) => work.Add(BillingEntity.Account, SampleRows.Key("account_id", (long)id), "balance", 1m));
            Assert.Equal("TooManyRows", await stores.EndAsync(store.WriteAsync(add)));
            Assert.Equal(1m, (await store.GetAsync(BillingEntity.Account, "account_id", 12L))!["balance"]);
        });
    }

    private static ColumnSchema Blob(string name) => new()
    {
        Name = name, Ordinal = 90, DataType = "mediumblob", ColumnType = "mediumblob", Nullable = true, HasDefault = true, MaxLength = 16_777_215,
    };
}
