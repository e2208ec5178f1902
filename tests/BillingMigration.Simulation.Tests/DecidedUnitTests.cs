// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>What becomes of units in parts once they are decided, and what they have taken before.</summary>
public sealed class DecidedUnitTests
{
    private const long Account = 17;
    private const long Other = 18;

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(100);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Who_is_throttled_for_minutes_is_not_told_that_nothing_is_written(bool deletes)
    {
        using var shop = Shop(charges: 200);
        var (stores, owner, other) = (shop.Stores, shop.OpenOwner(), shop.Stores.Open("other"));
        long? decided = null;
        stores.DynamoDb.Script = r =>
        {
            if (r.Operation == "TransactWriteItems" && r.Json.Contains("decided = :d", StringComparison.Ordinal))
            {
                decided = stores.Time.GetTimestamp();
                return null;
            }

            return r.Operation == "TransactWriteItems" && decided is { } since && stores.Time.GetElapsedTime(since) < Long ? Fault.Throttle : null;
        };
        stores.Run(async () =>
        {
            var call = deletes ? owner.DeleteAsync((await owner.GetAsync(BillingEntity.Account, "account_id", Account))!) : owner.RunBillAsync(Account, SimulatedStores.NewBill(Account));
            Assert.True(await stores.EndAsync(call) is "Done" or "WriteOutcomeUnknown");
            await stores.PassAsync(TimeSpan.FromMinutes(10));
            Assert.Equal(deletes ? 0 : 200, (await ChargesAsync(other, Account)).Count(c => deletes || c["bill_id"] is not null));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_throttled_or_outrun_for_minutes_is_not_set_aside(bool isThrottled)
    {
        using var shop = Shop(charges: 200);
        var (stores, owner, other) = (shop.Stores, shop.OpenOwner(), shop.Stores.Open("other"));
        var parts = 0;
        long? died = null;
        stores.DynamoDb.Script = r =>
        {
            if (r.Operation == "TransactWriteItems" && r.Process == shop.Process && r.Json.Contains("subtotal :s", StringComparison.Ordinal) && ++parts == 3)
            {
                died = stores.Time.GetTimestamp();
                shop.Process.Kill();
            }

            return r.Operation == "TransactWriteItems" && r.Process != shop.Process && died is { } since && stores.Time.GetElapsedTime(since) < TimeSpan.FromMinutes(4)
                ? isThrottled ? Fault.Throttle : Fault.Conflict : null;
        };
        stores.Run(async () =>
        {
            _ = owner.RunBillAsync(Account, SimulatedStores.NewBill(Account));
            await stores.PassAsync(TimeSpan.FromMinutes(20));
            Assert.Equal(200m, (await other.FindAsync(BillingEntity.Bill, "bill_number", "NEW"))!["subtotal"]);
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void Who_cannot_ask_what_became_of_a_unit_says_that_it_is_unknown()
    {
        using var shop = Shop(charges: 200);
        var (stores, owner, other) = (shop.Stores, shop.OpenOwner(), shop.Stores.Open("other"));
        var (parts, isCut) = (0, false);
        stores.DynamoDb.Script = r =>
        {
            if (r.Process == shop.Process && r.Operation == "TransactWriteItems" && r.Json.Contains("subtotal :s", StringComparison.Ordinal) && ++parts == 3)
            {
                isCut = true;
                shop.Process.Freeze(TimeSpan.FromSeconds(50));
                return Fault.LoseRequest;
            }

            return isCut && r.Process == shop.Process && r.Operation == "GetItem" ? Fault.LoseRequest : null;
        };
        stores.Run(async () =>
        {
            var run = stores.EndAsync(owner.RunBillAsync(Account, SimulatedStores.NewBill(Account)));
            await stores.PassAsync(TimeSpan.FromMinutes(5));
            Assert.NotNull(await other.FindAsync(BillingEntity.Bill, "bill_number", "NEW"));
            Assert.Equal("WriteOutcomeUnknown", await run);
        });
    }

    [Fact]
    public void Who_finishes_a_run_keeps_what_it_does_not_know_of_the_bill()
    {
        using var shop = Shop(charges: 120);
        var (stores, earlier) = (shop.Stores, shop.Stores.Open("earlier"));
        TableSchema[] tables = [.. stores.Shop.Tables.Select(t => LargeUnitShop.Wide(t, "bill", 1))];
        stores.Run(() => stores.Shop.SaveSchemaAsync(tables));
        var (owner, reader) = (shop.OpenOwner(), stores.Open("reader"));
        shop.At("decided = :d", () =>
        {
            shop.Process.Kill();
            return null;
        });
        stores.Run(async () =>
        {
            _ = owner.RunBillAsync(Account, SimulatedStores.NewBill(Account).SetItem("extra_1", 7));
            await shop.UntilAsync(() => shop.Process.IsDead);
            await earlier.PostChargeAsync(SampleRows.Charge(Account, 1m));
            Assert.Equal(7L, (await reader.FindAsync(BillingEntity.Bill, "bill_number", "NEW"))!["extra_1"]);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(130)]
    public void Two_deletions_with_children_in_the_same_partitions_both_end(int columns)
    {
        using var shop = new LargeUnitShop(change: t => LargeUnitShop.Wide(t, "charge", columns));
        var stores = shop.Stores;
        foreach (var account in new[] { Account, Other })
        {
            stores.MigrateAccount(account);
            stores.MigrateCharges(account, 120, first: 1_000 * account, values: n => [("subscriber_id", n % 2 == 0 ? Account : Other)]);
        }

        var (one, other) = (stores.Open("one"), stores.Open("other"));
        stores.Run(async () =>
        {
            var (first, second) = ((await one.GetAsync(BillingEntity.Subscriber, "subscriber_id", Account))!, (await other.GetAsync(BillingEntity.Subscriber, "subscriber_id", Other))!);
            Assert.Equal(["Done", "Done"], await Task.WhenAll(stores.EndAsync(one.DeleteAsync(first)), stores.EndAsync(other.DeleteAsync(second))));
            Assert.All([.. await ChargesAsync(one, Account), .. await ChargesAsync(one, Other)], c => Assert.Null(c["subscriber_id"]));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void A_deletion_waits_for_the_run_whose_charges_it_would_release()
    {
        using var shop = Shop(charges: 101, amount: 9_900_000_000m);
        var stores = shop.Stores;
        stores.MigrateAccount(Other);
        stores.MigrateCharges(Other, 110, first: 1_000, values: _ => [("bill_id", Other)]);
        // With this one the run's sum would not fit.
        stores.MigrateCharges(Account, 1, first: 2_000, amount: 9_900_000_000m, values: _ => [("bill_id", Other)]);
        var (owner, other, isHeld) = (shop.OpenOwner(), stores.Open("other"), false);
        shop.At("decided = :d", () =>
        {
            if (isHeld)
            {
                return null;
            }

            isHeld = true;
            shop.Process.Freeze(TimeSpan.FromSeconds(8));
            return Fault.LoseAnswer;
        });
        stores.Run(async () =>
        {
            var bill = (await other.GetAsync(BillingEntity.Bill, "bill_id", Other))!;
            var run = stores.EndAsync(owner.RunBillAsync(Account, SimulatedStores.NewBill(Account)));
            await shop.UntilAsync(() => isHeld);
            Assert.Equal(("Done", "Done"), (await stores.EndAsync(other.DeleteAsync(bill)), await run));
            Assert.Equal(101, (await ChargesAsync(other, Account)).Count(c => c["bill_id"] is not null));
        });
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_row_that_is_to_go_with_a_deletion_does_not_leave_before(bool isDecided)
    {
        using var shop = new LargeUnitShop(change: t => t.Name != "charge" ? t : t with
        {
            ForeignKeys = [.. t.ForeignKeys.Select(f => f.Name == "charge_subscriber" ? f with { OnDelete = "CASCADE" } : f.Name == "charge_bill" ? f with { OnDelete = "RESTRICT" } : f)],
        });
        var stores = shop.Stores;
        stores.MigrateAccount(Account);
        stores.MigrateAccount(Other);
        stores.MigrateCharges(Account, 120);
        stores.MigrateCharges(Other, 1, first: 900, values: _ => [("subscriber_id", Account), ("bill_id", Account)]);
        var (owner, other, isHeld) = (shop.OpenOwner(), stores.Open("other"), false);
        shop.At("decided = :d", () =>
        {
            var isFirst = !isHeld;
            isHeld = true;
            if (isFirst)
            {
                shop.Process.Freeze(TimeSpan.FromSeconds(5));
            }

            return !isFirst ? null : isDecided ? Fault.LoseAnswer : Fault.LoseRequest;
        });
        stores.Run(async () =>
        {
            var deletion = stores.EndAsync(owner.DeleteAsync((await owner.GetAsync(BillingEntity.Account, "account_id", Account))!));
            await shop.UntilAsync(() => isHeld);
            await stores.PassAsync(TimeSpan.FromSeconds(1));
            await stores.EndAsync(other.UpdateAsync((await other.GetAsync(BillingEntity.Charge, "charge_id", 900L))!, SampleRows.Values(("subscriber_id", null))));
            await deletion;
            await stores.PassAsync(TimeSpan.FromMinutes(2));
            var (charge, bill) = (await other.GetAsync(BillingEntity.Charge, "charge_id", 900L), await other.GetAsync(BillingEntity.Bill, "bill_id", Account));
            Assert.Equal(charge?["bill_id"] is not null, bill is not null);
        });
    }

    [Fact]
    public void A_wide_child_that_changes_is_no_conflict_of_who_deletes_its_parent()
    {
        using var shop = new LargeUnitShop(change: t => LargeUnitShop.Wide(t, "charge", 130));
        var stores = shop.Stores;
        for (var id = 1L; id <= 10; id++)
        {
            stores.MigrateAccount(id);
            stores.MigrateCharges(id, 3, first: 20 * id, values: _ => [("subscriber_id", id)]);
        }

        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            for (var id = 1L; id <= 10; id++)
            {
                var (isOver, at) = (false, id);
                var changes = ChangeAsync();
                await stores.PassAsync(TimeSpan.FromMilliseconds(137));
                Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Subscriber, "subscriber_id", id))!)));
                isOver = true;
                await changes;

                async Task ChangeAsync()
                {
                    for (var n = 0; !isOver; n++)
                    {
                        await stores.EndAsync(other.UpdateAsync((await other.GetAsync(BillingEntity.Charge, "charge_id", 20 * at))!, SampleRows.Values(("description", $"{n}"))));
                        await stores.PassAsync(TimeSpan.FromMilliseconds(7));
                    }
                }
            }
        });
    }

    [Fact]
    public void An_account_with_thousands_of_partitions_is_deleted()
    {
        using var shop = new LargeUnitShop(SimulationOptions.Quiet, define: LargeUnitShop.BillsAlone);
        var (stores, model) = (shop.Stores, shop.Stores.Shop.Model[BillingEntity.Bill]);
        stores.MigrateAccount(Account);
        stores.Run(async () =>
        {
            for (var n = 0; n < 4_500; n++)
            {
                await stores.Shop.PutAsync(model, SimulatedShop.RowOf(model, 10_000 + n, SampleRows.Bill(Account, $"M{n}")));
            }
        });
        stores.DynamoDb.RunUntilQuiet();
        var store = stores.Open();
        stores.Run(async () => Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", Account))!))));
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("BILL#", StringComparison.Ordinal));
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void A_row_that_fills_its_item_is_deleted_with_its_children()
    {
        using var shop = new LargeUnitShop();
        var stores = shop.Stores;
        stores.MigrateAccount(Account);
        stores.Migrate(
            BillingEntity.Account, Other, ("customer_id", Account), ("account_number", "A18"), ("currency", "EUR"), ("bill_cycle_day", 5), ("opened_at", SimulatedStores.At),
            ("preferences", $$"""{{{string.Join(", ", Enumerable.Range(0, 24_000).Select(n => $"\"k{n:D5}\": \"x\""))}}}"""));
        stores.MigrateCharges(Other, 120);
        var store = stores.Open();
        stores.Run(async () => Assert.Equal("Done", await stores.EndAsync(store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", Other))!))));
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("ACCOUNT#18/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Who_reads_for_minutes_is_not_taken_for_gone(bool deletes)
    {
        using var shop = new LargeUnitShop(
            SimulatedStores.Network with { Work = TimeSpan.FromSeconds(6) },
            t => t.Name != "charge" ? t : t with { Columns = [.. t.Columns.Select(c => c.Name == "description" ? c with { MaxLength = 300_000, ColumnType = "varchar(300000)" } : c)] });
        var stores = shop.Stores;
        stores.MigrateAccount(Account);
        stores.MigrateCharges(Account, 100, values: _ => [("description", new string('x', 250_000))]);
        var (store, _) = (stores.Open(), stores.Open("other"));
        stores.Run(async () => Assert.Equal("Done", await stores.EndAsync(
            deletes ? store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", Account))!) : store.RunBillAsync(Account, SimulatedStores.NewBill(Account)))));
    }

    private static LargeUnitShop Shop(int charges, decimal amount = 1m)
    {
        var shop = new LargeUnitShop();
        shop.Stores.MigrateAccount(Account);
        shop.Stores.MigrateCharges(Account, charges, amount: amount);
        return shop;
    }

    private static async Task<ImmutableArray<BillingRecord>> ChargesAsync(DynamoDbBillingStore store, long account) =>
        [.. await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account))];
}
