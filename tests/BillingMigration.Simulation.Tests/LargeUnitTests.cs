// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>Bill runs and deletions in parts, whose owners die, stand still or have wrong clocks, while others work on the same account.</summary>
public sealed class LargeUnitTests : IDisposable
{
    private const long Account = 17;

    private readonly LargeUnitShop shop = new();
    private readonly SimulatedStores stores;
    private readonly SimulatedProcess owner;
    private readonly DynamoDbBillingStore owning;
    private readonly DynamoDbBillingStore other;

    public LargeUnitTests()
    {
        (stores, owner) = (shop.Stores, shop.Process);
        stores.MigrateAccount(Account);
        owning = shop.OpenOwner();
        other = stores.Open("other");
    }

    public void Dispose() => shop.Dispose();

    [Fact]
    public void A_charge_that_is_released_while_a_run_is_at_work_is_not_billed_twice()
    {
        stores.MigrateCharges(Account, 200);
        var (parts, isHeld) = (0, false);
        shop.At("subtotal :s", () =>
        {
            // What decides, one part, and this.
            if (++parts != 3)
            {
                return null;
            }

            isHeld = true;
            owner.Freeze(TimeSpan.FromSeconds(3));
            return Fault.LoseRequest;
        });
        stores.Run(async () =>
        {
            var run = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"));
            await shop.UntilAsync(() => isHeld);
            var billed = (await ChargesAsync()).First(c => c["bill_id"] is not null);
            var released = other.UpdateAsync(billed, SampleRows.Values(("bill_id", null)));
            await run;
            await released;
        });
        Assert.Equal((200m, 199), (Bills()["NEW"].Subtotal, Bills()["NEW"].Charges));
    }

    [Fact]
    public void Nothing_more_is_billed_to_a_bill_that_is_there()
    {
        stores.MigrateCharges(Account, 120);
        stores.Migrate(BillingEntity.Charge, 900, [.. SampleRows.Charge(Account, 50m).SetItem("bill_id", Account).Select(v => (v.Key, v.Value))]);
        shop.At("\"bill_number\":{\"S\"", () =>
        {
            owner.Kill();
            return null;
        });
        stores.Run(async () =>
        {
            _ = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"));
            await shop.UntilAsync(() => owner.IsDead);
            var charge = (await other.GetAsync(BillingEntity.Charge, "charge_id", 900L))!;
            await other.UpdateAsync(charge, SampleRows.Values(("bill_id", null)));
            await stores.PassAsync(TimeSpan.FromMinutes(2));
        });
        Assert.Equal((120m, 120, 0), (Bills()["NEW"].Subtotal, Bills()["NEW"].Charges, stores.OpenUnits()));
    }

    [Fact]
    public void A_run_whose_sum_fits_bills_all_whatever_order_they_come_in()
    {
        stores.MigrateCharges(Account, 101, amount: 9_950_000_000m);
        stores.MigrateCharges(Account, 60, first: 500, amount: -9_950_000_000m);

        Assert.Equal(41 * 9_950_000_000m, stores.Run(() => owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW")))!["subtotal"]);
        Assert.Equal(161, Bills()["NEW"].Charges);
    }

    [Fact]
    public void That_there_is_nothing_to_bill_is_not_said_of_a_run_that_lands_late()
    {
        stores.MigrateCharges(Account, 120);
        var (sent, isOther) = (0, false);
        stores.DynamoDb.Script = r =>
        {
            if (r.Operation != "TransactWriteItems" || !r.Json.Contains("BILLRUN", StringComparison.Ordinal))
            {
                return null;
            }

            if (r.Process == owner)
            {
                return sent++ == 0 ? Fault.Late(TimeSpan.FromSeconds(30)) : isOther ? null : Fault.LoseRequest;
            }

            var isFirst = !isOther;
            isOther = true;
            return isFirst ? Fault.Late(TimeSpan.FromSeconds(1)) : null;
        };
        BillingRecord? mine = null;
        stores.Run(async () =>
        {
            var first = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "MINE"));
            await shop.UntilAsync(() => sent > 1);
            var second = other.RunBillAsync(Account, SimulatedStores.NewBill(Account, "OTHER"));
            (mine, _) = (await first, await second);
            await other.PostChargeAsync(SampleRows.Charge(Account, 10m));
            await stores.PassAsync(TimeSpan.FromMinutes(2));
        });
        Assert.Equal(mine is not null, Bills().ContainsKey("MINE"));
        Assert.Equal(120, Bills().Values.Sum(b => b.Charges));
    }

    [Fact]
    public void An_owner_that_is_gone_is_followed_in_a_minute_whatever_its_clock_was()
    {
        stores.MigrateCharges(Account, 120);
        owner.Clock.WallOffset = TimeSpan.FromHours(6);
        DieWhenDecided();
        stores.Run(async () =>
        {
            _ = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"));
            await shop.UntilAsync(() => owner.IsDead);
            await other.PostChargeAsync(SampleRows.Charge(Account, 10m));
        });
        Assert.Equal((120, 0), (Bills()["NEW"].Charges, stores.OpenUnits()));
    }

    [Fact]
    public void Who_has_taken_over_and_is_gone_is_followed_by_the_owner()
    {
        stores.MigrateCharges(Account, 400);
        var parts = 0;
        var third = new SimulatedProcess(stores.Time, "third");
        third.Clock.WallOffset = TimeSpan.FromHours(6);
        var taking = stores.Time.Run(() => stores.Shop.OpenAsync(third, new Random(7)));
        stores.DynamoDb.Script = r =>
        {
            if (r.Operation == "TransactWriteItems" && r.Process == owner && r.Json.Contains("subtotal :s", StringComparison.Ordinal) && ++parts == 2)
            {
                owner.Freeze(TimeSpan.FromSeconds(5));
            }

            if (r.Operation == "TransactWriteItems" && r.Process == third)
            {
                third.Kill();
            }

            return null;
        };
        stores.Run(async () =>
        {
            var run = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"));
            await shop.UntilAsync(() => parts > 1);
            _ = taking.FinishAllLargeUnitsAsync(CancellationToken.None);
            Assert.Equal(400m, (await run)!["subtotal"]);
        });
        Assert.Equal((400, 0), (Bills()["NEW"].Charges, stores.OpenUnits()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_unit_of_a_process_that_stood_still_is_done_once_and_never_said_to_be_undone(bool machine)
    {
        var isFirst = true;
        shop.At("TransactItems", () =>
        {
            if (!isFirst)
            {
                return null;
            }

            isFirst = false;
            owner.Freeze(TimeSpan.FromMinutes(11));
            if (machine)
            {
                owner.Clock.StandStill(TimeSpan.FromMinutes(11));
            }

            return Fault.LoseAnswer;
        });
        stores.Run(async () => Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => owning.PayAsync(Account, 4m, SimulatedStores.At))).ErrorId));
        Assert.Equal(4m, stores.Run(() => other.GetAsync(BillingEntity.Bill, "bill_id", Account))!["amount_paid"]);
    }

    [Fact]
    public void A_row_with_the_key_of_one_whose_children_are_still_going_waits_for_them()
    {
        stores.MigrateAccount(18);
        for (var n = 0; n < 300; n++)
        {
            stores.Migrate(BillingEntity.Charge, 100 + n, [.. SampleRows.Charge(Account, 1m).SetItem("bill_id", Account).Select(v => (v.Key, v.Value))]);
        }

        DieWhenDecided();
        stores.Run(async () =>
        {
            _ = owning.DeleteAsync((await owning.GetAsync(BillingEntity.Bill, "bill_id", Account))!);
            await shop.UntilAsync(() => owner.IsDead);
            await stores.PassAsync(TimeSpan.FromSeconds(1));
            await other.PostChargeAsync(SampleRows.Charge(18L, 10m));
            var bill = (await other.RunBillAsync(18L, SampleRows.Bill(18L, "AGAIN").SetItem("bill_id", Account)))!;
            await stores.PassAsync(TimeSpan.FromMinutes(2));
            var charges = await other.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 18L));
            Assert.Equal(10m, charges.Where(c => Equals(c["bill_id"], bill["bill_id"])).Sum(c => c.Get<decimal>("amount")));
        });
        Assert.Equal((300, 0), (stores.Run(ChargesAsync).Count(c => c["bill_id"] is null), stores.OpenUnits()));
    }

    [Theory]
    [InlineData("charge")]
    [InlineData("billing_account")]
    public void Rows_too_wide_for_one_condition_are_billed_and_deleted_in_parts(string wide)
    {
        using var wider = new SimulatedStores(SimulatedStores.Network, t => LargeUnitShop.Wide(t, wide, 130));
        wider.MigrateAccount(Account);
        wider.MigrateCharges(Account, 150);

        var store = wider.Open();
        Assert.Equal(150m, wider.Run(() => store.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW")))!["subtotal"]);
        wider.Run(async () => await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", Account))!));
        Assert.DoesNotContain(wider.Items().Keys, k => k.StartsWith("ACCOUNT#17/", StringComparison.Ordinal));
        Assert.Equal(0, wider.OpenUnits());
    }

    [Fact]
    public void The_number_of_a_bill_that_was_set_aside_is_nobody_elses_and_its_charges_are_found_wherever_they_went()
    {
        stores.MigrateAccount(18);
        stores.MigrateCharges(Account, 300);
        DieAtPart(4);
        var item = Poison(() => owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW").SetItem("bill_id", 5_000L)), NoBill)!;
        Wait(TimeSpan.FromMinutes(2));
        stores.Run(async () =>
        {
            Assert.Equal(StoreError.DuplicateKey, (await Assert.ThrowsAsync<StoreException>(() => other.RunBillAsync(Account, SimulatedStores.NewBill(Account, "OTHER").SetItem("bill_id", 5_000L)))).Error);
            var billed = (await ChargesAsync()).First(c => c["bill_id"] is not null);
            await other.UpdateAsync(billed, SampleRows.Values(("account_id", 18L)));
        });
        stores.ChangeIntent("item", item);
        stores.ChangeIntent("reason", null);
        Wait(TimeSpan.FromMinutes(2));
        Assert.DoesNotContain(stores.Items().Values, i => i.TryGetValue("bill_id", out var bill) && bill.Text == "5000");
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void What_was_set_aside_is_in_nobodys_way_even_when_who_set_it_aside_dies_at_it()
    {
        stores.MigrateCharges(Account, 120);
        var helper = new SimulatedProcess(stores.Time, "helper");
        _ = stores.Time.Run(() => stores.Shop.OpenAsync(helper, new Random(7)));
        DieWhenDecided();
        Poison(() => owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW")), NoBill);
        stores.DynamoDb.Script = r =>
        {
            if (r.Operation == "UpdateItem" && r.Json.Contains("SET reason", StringComparison.Ordinal))
            {
                helper.Kill();
            }

            return null;
        };
        stores.Run(() => other.PostChargeAsync(SampleRows.Charge(Account, 10m)));
        Assert.Equal(1, stores.OpenUnits());
    }

    [Fact]
    public void A_bill_run_that_was_set_aside_is_undone_when_it_is_tried_again()
    {
        stores.MigrateCharges(Account, 300);
        DieAtPart(3);
        var item = Poison(() => owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW")), NoBill)!;
        Wait(TimeSpan.FromMinutes(2));
        Assert.Equal((0, 1), (Bills().Count - 1, stores.OpenUnits()));
        Assert.NotEqual(300, stores.Run(ChargesAsync).Count(c => c["bill_id"] is null));
        stores.ChangeIntent("item", item);
        Assert.NotNull(stores.ChangeIntent("reason", null));
        Wait(TimeSpan.FromMinutes(2));
        Assert.Equal((300, 0), (stores.Run(ChargesAsync).Count(c => c["bill_id"] is null), stores.OpenUnits()));
        Assert.Equal(300m, stores.Run(() => other.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW")))!["subtotal"]);
        Assert.Equal(300, Bills()["NEW"].Charges);
    }

    [Fact]
    public void What_a_run_that_is_undone_forgets_is_its_own_call()
    {
        stores.MigrateCharges(Account, 300);
        DieAtPart(3);
        var item = Poison(() => owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"), "K"), NoBill)!;
        Wait(TimeSpan.FromMinutes(2));
        stores.Run(async () =>
        {
            await other.DeleteAsync((await other.GetAsync(BillingEntity.Call, "call_key", "K"))!);
            await other.PostChargeAsync(SampleRows.Charge(Account, 10m), "K");
        });
        stores.ChangeIntent("item", item);
        stores.ChangeIntent("reason", null);
        Wait(TimeSpan.FromMinutes(2));
        Assert.Equal(0, stores.OpenUnits());
        Assert.StartsWith("""{"call":"PostCharge""", stores.Run(() => other.GetAsync(BillingEntity.Call, "call_key", "K"))!.Text("answer"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_deletion_that_was_set_aside_goes_on_when_it_is_tried_again_unless_its_row_came_again(bool again)
    {
        stores.MigrateCharges(Account, 300);
        DieAtPart(5);
        var item = Poison(async () => await owning.DeleteAsync((await owning.GetAsync(BillingEntity.Account, "account_id", Account))!), """{"pk":{"S":"x"},"sk":{"S":"y"},"entity":{"S":"BILLING_ACCOUNT"},"account_id":{"S":"nonsense"}}""")!;
        Wait(TimeSpan.FromMinutes(2));
        Assert.InRange(stores.Run(ChargesAsync).Count, 1, 299);
        if (again)
        {
            stores.Run(() => other.InsertAsync(BillingEntity.Account, SampleRows.Account("AGAIN").SetItems(SampleRows.Values(("customer_id", Account), ("account_id", Account)))));
        }

        var left = stores.Run(ChargesAsync).Count;
        stores.ChangeIntent("item", item);
        stores.ChangeIntent("reason", null);
        Wait(TimeSpan.FromMinutes(2));
        Assert.Equal(again ? (left, 1) : (0, 0), (stores.Run(ChargesAsync).Count, stores.OpenUnits()));
    }

    [Fact]
    public void An_owner_that_comes_back_does_not_say_that_a_unit_is_done_that_was_set_aside()
    {
        stores.MigrateCharges(Account, 300);
        var parts = 0;
        shop.At("subtotal :s", () =>
        {
            if (++parts == 4)
            {
                owner.Freeze(TimeSpan.FromMinutes(5));
            }

            return null;
        });
        stores.Run(async () =>
        {
            var run = owning.RunBillAsync(Account, SimulatedStores.NewBill(Account, "NEW"));
            await shop.UntilAsync(() => parts > 3);
            await stores.SetIntentAsync("item", NoBill);
            Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => run)).ErrorId);
        });
    }

    private const string NoBill = """{"pk":{"S":"x"},"sk":{"S":"y"},"entity":{"S":"BILL"},"bill_id":{"S":"nonsense"}}""";

    /// <summary>Begins a unit whose owner dies, and replaces its row.</summary>
    /// <returns>What it was.</returns>
    private string? Poison(Func<Task> begin, string item)
    {
        stores.Run(async () =>
        {
            _ = begin();
            await shop.UntilAsync(() => owner.IsDead);
            await stores.PassAsync(TimeSpan.FromSeconds(1));
        });
        return stores.ChangeIntent("item", item);
    }

    private void Wait(TimeSpan span) => stores.Run(() => stores.PassAsync(span));

    /// <param name="number">Of what moves the intent on, from what decides it.</param>
    private void DieAtPart(int number)
    {
        var parts = 0;
        shop.At("subtotal :s", () =>
        {
            if (++parts == number)
            {
                owner.Kill();
            }

            return null;
        });
    }

    private void DieWhenDecided() => shop.At("decided = :d", () =>
    {
        owner.Kill();
        return null;
    });

    private Task<IReadOnlyList<BillingRecord>> ChargesAsync() => other.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", Account));

    private Dictionary<string, (decimal Subtotal, int Charges)> Bills()
    {
        var charges = stores.Run(ChargesAsync);
        return stores.Run(() => other.ListAsync(new RecordQuery(BillingEntity.Bill).Where("account_id", Account))).ToDictionary(
            b => b.Text("bill_number")!, b => (b.Get<decimal>("subtotal"), charges.Count(c => Equals(c["bill_id"], b["bill_id"]))));
    }
}
