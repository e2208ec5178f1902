// The calls of these tests end in virtual time, which nothing outside cancels.
#pragma warning disable xUnit1051

using BillingMigration.Model;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;
using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>What DynamoDB and networks do and the emulator does not, one thing at a time: money stays right, and what is told is true.</summary>
public sealed class MoneyTests
{
    private static readonly DateTime At = new(2026, 3, 1, 0, 0, 0, DateTimeKind.Utc);

    private static readonly SimulationOptions IndexesBehind = SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(5) };

    [Fact]
    public void A_payment_whose_first_request_lands_late_is_made_once()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.NextTransactions(Fault.Late(TimeSpan.FromMilliseconds(40)), Fault.Conflict, Fault.Conflict);
        stores.Run(() => store.PayAsync(1L, 4m, At));
        stores.Items();
        var bill = stores.Run(() => store.GetAsync(BillingEntity.Bill, "bill_id", 1L))!;
        var account = stores.Run(() => store.GetAsync(BillingEntity.Account, "account_id", 1L))!;
        Assert.Equal((4m, 96m), (bill["amount_paid"], account["balance"]));
    }

    [Fact]
    public void A_charge_whose_answers_are_lost_beside_a_conflict_is_posted_once_and_told_so()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.NextTransactions(Fault.LoseAnswer, Fault.Conflict, Fault.LoseAnswer);
        var charge = stores.Run(() => store.PostChargeAsync(SampleRows.Charge(1L, 10m)));
        Assert.Equal(charge, stores.Run(() => store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!)));
        Assert.Single(stores.Items(), i => i.Key.Contains("CHARGE#", StringComparison.Ordinal));
    }

    [Fact]
    public void A_unit_that_was_refused_does_not_land_later()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        var (sent, isTaken) = (0, false);
        stores.DynamoDb.Script = r => r.Process.Name != "app" || r.Operation != "TransactWriteItems" ? null
            : sent++ == 0 ? Fault.Late(TimeSpan.FromSeconds(30)) : isTaken ? null : Fault.LoseRequest;
        stores.Run(async () =>
        {
            // Its first request is on its way for half a minute; meanwhile the account is given a number that it clashes with, and then another.
            var late = store.InsertAsync(BillingEntity.Account, SampleRows.Account("X"));
            var taken = await other.InsertAsync(BillingEntity.Account, SampleRows.Account("X"));
            isTaken = true;
            Assert.Equal(StoreError.DuplicateKey, (await Assert.ThrowsAsync<StoreException>(() => late)).Error);
            await other.DeleteAsync(taken);
        });
        Assert.DoesNotContain(stores.Items().Values, i => i.TryGetValue("account_number", out var number) && number.Text == "X");
    }

    [Fact]
    public void What_a_process_does_not_know_survives_its_writes()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        var old = stores.Open();
        var later = stores.OpenLater(stores.Shop.LaterTables);
        stores.Run(async () =>
        {
            var charge = await later.PostChargeAsync(SampleRows.Charge(1L, 10m).SetItem(SimulatedShop.LaterColumn, 7));
            var seen = (await old.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!))!;
            seen = await old.UpdateAsync(seen, SampleRows.Values(("description", "changed")));
            await old.UpdateAsync(seen, SampleRows.Values(("charged_at", SimulatedStores.At.AddDays(1))));
            charge = (await later.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!))!;
            Assert.Equal((7L, "changed"), (charge[SimulatedShop.LaterColumn], charge["description"]));
        });
    }

    [Fact]
    public void A_column_that_came_later_has_its_default_in_rows_of_before()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        var tables = stores.Shop.LaterTables.Select(t => t with
        {
            Columns = [.. t.Columns.Select(c => c.Name == SimulatedShop.LaterColumn ? c with { Nullable = false, Default = "5" } : c)],
        }).ToArray();
        var later = stores.OpenLater(tables);
        stores.Run(async () =>
        {
            var account = (await later.GetAsync(BillingEntity.Account, "account_id", 1L))!;
            Assert.Equal(5L, account[SimulatedShop.LaterColumn]);
            Assert.Equal(6L, (await later.UpdateAsync(account, SampleRows.Values((SimulatedShop.LaterColumn, 6))))[SimulatedShop.LaterColumn]);
        });
    }

    [Fact]
    public void A_large_bill_run_whose_sum_does_not_fit_changes_nothing_and_is_in_nobodys_way()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        for (var n = 1; n <= 130; n++)
        {
            stores.Migrate(BillingEntity.Charge, n, [.. SampleRows.Charge(1L, 9_000_000_000m).SetItem("tax_amount", 0m).Select(v => (v.Key, v.Value))]);
        }

        var store = stores.Open();
        var before = stores.Items();
        stores.Run(async () =>
        {
            Assert.Equal(StoreError.ValueInvalid, (await Assert.ThrowsAsync<StoreException>(() => store.RunBillAsync(1L, SampleRows.Bill(1L, "RUN")))).Error);
            Assert.Equal(0, await store.FinishLargeUnitsAsync());
        });
        Assert.Equal(before, stores.Items());
        Assert.Equal(0, stores.OpenUnits());
        stores.Run(async () => await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 1L))!));
        Assert.DoesNotContain(stores.Items().Keys, k => k.StartsWith("ACCOUNT#1/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(130)]
    public void A_tax_that_is_NULL_adds_nothing(int charges)
    {
        using var stores = new SimulatedStores(change: t => t.Name == "charge" ? t with { Columns = [.. t.Columns.Select(c => c.Name == "tax_amount" ? c with { Nullable = true } : c)] } : t);
        stores.MigrateAccount(1);
        for (var n = 1; n <= charges; n++)
        {
            stores.Migrate(BillingEntity.Charge, n, [.. SampleRows.Charge(1L, 2m).SetItem("tax_amount", null).Select(v => (v.Key, v.Value))]);
        }

        var store = stores.Open();
        var bill = stores.Run(() => store.RunBillAsync(1L, SampleRows.Bill(1L, "RUN")))!;
        Assert.Equal((2m * charges, 0m, 2m * charges), (bill["subtotal"], bill["tax_amount"], bill["total"]));
        Assert.Equal(0, stores.OpenUnits());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_charge_that_gets_an_earlier_date_while_a_bill_run_reads_is_billed(int unbilled)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var charges = stores.Shop.Model[BillingEntity.Charge];
        RowBuffer Charge(long id, long? bill) => SimulatedShop.RowOf(charges, id, SampleRows.Charge(1L, 1m).SetItems(
            [new("charged_at", SimulatedStores.At.AddMinutes(id)), new("bill_id", bill), new("description", new string('ü', 180))]));
        stores.Run(async () =>
        {
            // So many that the last is on a page of its own.
            foreach (var id in Enumerable.Range(1, 1_600))
            {
                await stores.Shop.PutAsync(charges, Charge(id, bill: 1));
            }

            await stores.Shop.PutAsync(charges, Charge(2_000, bill: null));
            await stores.Shop.PutAsync(charges, Charge(1_999, bill: unbilled == 2 ? null : 1));
        });
        stores.Items();
        var (store, other) = (stores.Open(), stores.Open("other"));
        var pageTwo = new TaskCompletionSource();
        var isMoved = false;
        stores.DynamoDb.Script = request =>
        {
            if (request.Process.Name != "app" || request.Operation != "Query" || !request.Json.Contains("ExclusiveStartKey", StringComparison.Ordinal) || isMoved)
            {
                return null;
            }

            pageTwo.TrySetResult();
            return Fault.LoseRequest;
        };

        var bill = stores.Run(async () =>
        {
            var late = (await other.GetAsync(BillingEntity.Charge, "charge_id", 2_000L))!;
            var run = store.RunBillAsync(1L, SampleRows.Bill(1L, "RUN"));
            await pageTwo.Task;
            await other.UpdateAsync(late, SampleRows.Values(("charged_at", SimulatedStores.At.AddDays(-1))));
            isMoved = true;
            return await run;
        });

        Assert.Equal((decimal)unbilled, bill!["subtotal"]);
        Assert.Equal(bill["bill_id"], stores.Run(() => store.GetAsync(BillingEntity.Charge, "charge_id", 2_000L))!["bill_id"]);
    }

    [Fact]
    public void Whoever_has_written_a_row_finds_it_at_once_while_indexes_are_behind()
    {
        using var stores = new SimulatedStores(IndexesBehind);
        stores.MigrateAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var subscriber = await store.InsertAsync(BillingEntity.Subscriber, SampleRows.Values(("account_id", 1L), ("phone_number", "+49"), ("activated_at", SimulatedStores.At)));
            Assert.Equal(subscriber, await other.FindAsync(BillingEntity.Subscriber, "phone_number", "+49"));
            Assert.Equal(subscriber, await other.GetAsync(BillingEntity.Subscriber, "subscriber_id", subscriber["subscriber_id"]!));
            var twice = SampleRows.Values(("account_id", 1L), ("phone_number", "+49"), ("activated_at", SimulatedStores.At));
            Assert.Equal(StoreError.DuplicateKey, (await Assert.ThrowsAsync<StoreException>(() => other.InsertAsync(BillingEntity.Subscriber, twice))).Error);

            await store.PostChargeAsync(SampleRows.Charge(1L, 10m).SetItem("subscriber_id", subscriber["subscriber_id"]));
            Assert.Equal(10m, (await other.RunBillAsync(1L, SampleRows.Bill(1L, "RUN")))!["subtotal"]);
        });
    }

    [Fact]
    public void Children_that_no_index_shows_yet_forbid_go_and_are_released()
    {
        using var stores = new SimulatedStores(IndexesBehind);
        stores.MigrateAccount(1);
        stores.MigrateAccount(2);
        stores.Migrate(BillingEntity.Customer, 3, ("customer_number", "C3"), ("address", "{}"));
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            await store.InsertAsync(BillingEntity.Account, SampleRows.Account("NEW").SetItem("customer_id", 3L));
            var refused = await Assert.ThrowsAsync<StoreException>(async () => await other.DeleteAsync((await other.GetAsync(BillingEntity.Customer, "customer_id", 3L))!));
            Assert.Equal(StoreError.HasChildren, refused.Error);

            // It refers to bill and subscriber of another account, which are in another partition.
            var charge = await store.PostChargeAsync(SampleRows.Charge(2L, 10m).SetItem("bill_id", 1L).SetItem("subscriber_id", 1L));
            await other.DeleteAsync((await other.GetAsync(BillingEntity.Bill, "bill_id", 1L))!);
            await other.DeleteAsync((await other.GetAsync(BillingEntity.Subscriber, "subscriber_id", 1L))!);
            charge = (await other.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!))!;
            Assert.Equal((null, null), (charge["bill_id"], charge["subscriber_id"]));
        });
    }

    [Fact]
    public void A_deletion_that_is_refused_is_in_nobodys_way()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var customer = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1L))!;
            var refused = Enumerable.Range(0, 20).Select(_ => Assert.ThrowsAsync<StoreException>(() => store.DeleteAsync(customer))).ToArray();
            await Task.WhenAll(Enumerable.Range(0, 20).Select(n => other.InsertAsync(BillingEntity.Account, SampleRows.Account($"N{n}"))));
            Assert.All(await Task.WhenAll(refused), e => Assert.Equal(StoreError.HasChildren, e.Error));
        });
    }

    [Fact]
    public void Children_with_claims_of_their_own_go_in_parts_that_a_transaction_holds()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        for (var n = 100; n < 230; n++)
        {
            stores.Migrate(BillingEntity.Subscriber, n, ("account_id", 1L), ("phone_number", $"+{n}"), ("activated_at", SimulatedStores.At));
        }

        var store = stores.Open();
        stores.Run(async () => await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", 1L))!));
        Assert.Equal(["CUSTOMER#1/CUSTOMER"], stores.Items().Keys);
        Assert.Equal(0, stores.OpenUnits());
    }

    [Fact]
    public void Rows_of_two_hundred_columns_are_updated_and_deleted_and_held_against_what_was_read()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network, t => t.Name == "charge"
            ? t with { Columns = [.. t.Columns, .. Enumerable.Range(1, 200).Select(n => new ColumnSchema { Name = $"extra{n}", Ordinal = t.Columns.Length + n, DataType = "int", ColumnType = "int", Nullable = true, HasDefault = true })] }
            : t);
        stores.MigrateAccount(1);
        var (store, other) = (stores.Open(), stores.Open("other"));
        stores.Run(async () =>
        {
            var charge = await store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(1L, 10m).SetItems(Enumerable.Range(1, 200).Select(n => KeyValuePair.Create<string, object?>($"extra{n}", n))));
            var changed = await store.UpdateAsync(charge, SampleRows.Values(("extra200", 1)));
            Assert.Equal(StoreError.Conflict, (await Assert.ThrowsAsync<StoreException>(() => other.UpdateAsync(charge, SampleRows.Values(("extra1", 0))))).Error);

            // Two who read the same: one of them wins.
            var both = new[] { store, other }.Select(async s => await Record.ExceptionAsync(() => s.UpdateAsync(changed, SampleRows.Values(("extra2", s == store ? 8 : 9))))).ToArray();
            Assert.Single(await Task.WhenAll(both), e => e is StoreException { Error: StoreError.Conflict });
            await other.DeleteAsync((await other.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!))!);
        });
    }

    [Fact]
    public void Two_hundred_inserts_and_posts_under_one_account_from_four_processes_are_all_taken()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var apps = Enumerable.Range(0, 4).Select(n => stores.Open($"app-{n}")).ToArray();
        var took = stores.Run(() => Task.WhenAll(Enumerable.Range(0, 200).Select(async n =>
        {
            var began = stores.Time.GetTimestamp();
            await (n % 2 == 0
                ? apps[n % 4].InsertAsync(BillingEntity.Charge, SampleRows.Charge(1L, 1m))
                : apps[n % 4].PostChargeAsync(SampleRows.Charge(1L, 1m).SetItem("tax_amount", 0m)));
            return stores.Time.GetElapsedTime(began);
        })));
        var sorted = took.Order().ToArray();
        TestContext.Current.TestOutputHelper?.WriteLine($"p50 {sorted[100].TotalMilliseconds:0} ms, p99 {sorted[197].TotalMilliseconds:0} ms of the simulation's time");
        Assert.Equal(200, stores.Items().Keys.Count(k => k.Contains("CHARGE#", StringComparison.Ordinal)));
        Assert.Equal(200m, stores.Run(() => apps[0].GetAsync(BillingEntity.Account, "account_id", 1L))!["balance"]);
    }

    [Fact]
    public void A_call_that_was_cancelled_has_written_nothing()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        var random = new Random(5);
        var written = stores.Run(async () => await Task.WhenAll(Enumerable.Range(0, 200).Select(async n =>
        {
            using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(1, 120)), stores.Time);
            try
            {
                await store.PostChargeAsync(SampleRows.Charge(1L, 1m).SetItem("description", $"call {n}"), null, cancel.Token);
                return $"call {n}";
            }
            catch (OperationCanceledException)
            {
                return null;
            }
        })));
        var there = stores.Items().Values.Where(i => i["entity"].Text == BillingEntity.Charge).Select(i => i["description"].Text).Order();
        Assert.Equal(written.OfType<string>().Order(), there);
        Assert.InRange(there.Count(), 1, 199);
    }

    [Fact]
    public void Keys_and_the_order_within_a_unit_are_as_in_the_source()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var first = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("G1"))).Get<long>("account_id");
            await store.InsertAsync(BillingEntity.Account, SampleRows.Account("E1").SetItem("account_id", first + 1));
            await store.InsertAsync(BillingEntity.Account, SampleRows.Account("E2").SetItem("account_id", first + 500));
            Assert.Equal(first + 501, (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("G2"))).Get<long>("account_id"));

            var account = (await store.GetAsync(BillingEntity.Account, "account_id", first))!;
            var child = SampleRows.Values(("account_id", 7_000L), ("phone_number", "+7"), ("activated_at", SimulatedStores.At));
            var early = new UnitOfWork().Insert(BillingEntity.Subscriber, child).Insert(BillingEntity.Account, SampleRows.Account("P").SetItem("account_id", 7_000L));
            Assert.Equal(StoreError.ParentMissing, (await Assert.ThrowsAsync<StoreException>(() => store.WriteAsync(early))).Error);
            await store.WriteAsync(new UnitOfWork().Delete(account).Insert(BillingEntity.Account, SampleRows.Account("AGAIN").SetItem("account_id", first)));
            Assert.Equal("AGAIN", (await store.GetAsync(BillingEntity.Account, "account_id", first))!["account_number"]);
        });
    }

    [Fact]
    public void A_unit_of_more_than_four_megabytes_is_refused_by_its_name()
    {
        using var stores = new SimulatedStores();
        var store = stores.Open();
        var notes = new string('x', 60_000);
        var work = Enumerable.Range(0, 80).Aggregate(new UnitOfWork(), (unit, n) => unit.Insert(BillingEntity.Customer, SampleRows.Values(("customer_number", $"L{n}"), ("address", "{}"), ("notes", notes))));
        Assert.Equal(StoreError.TooManyRows, stores.Run(() => Assert.ThrowsAsync<StoreException>(() => store.WriteAsync(work))).Error);
    }

    [Fact]
    public void A_store_that_is_closed_answers_its_calls_first_and_may_be_closed_twice()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var calls = Enumerable.Range(0, 40).Select(_ => store.PostChargeAsync(SampleRows.Charge(1L, 1m))).ToArray();
            await store.DisposeAsync();
            await store.DisposeAsync();
            await Task.WhenAll(calls);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => store.PostChargeAsync(SampleRows.Charge(1L, 1m)));
        });
        Assert.Equal(40, stores.Items().Keys.Count(k => k.Contains("CHARGE#", StringComparison.Ordinal)));
    }

    [Fact]
    public void More_than_what_is_open_of_a_bill_is_not_taken()
    {
        using var stores = new SimulatedStores();
        stores.MigrateAccount(1);
        var store = stores.Open();
        Assert.Equal(StoreError.ValueInvalid, stores.Run(() => Assert.ThrowsAsync<StoreException>(() => store.PayAsync(1L, 100_000m, At))).Error);
    }

    [Fact]
    public void Conflicts_and_throttling_that_do_not_end_have_their_own_names()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        var store = stores.Open();
        foreach (var (fault, isConflict) in new[] { (Fault.Conflict, true), (Fault.Throttle, false) })
        {
            stores.DynamoDb.Script = request => request.Operation == "TransactWriteItems" && !request.Json.Contains("NOTHING#", StringComparison.Ordinal) ? fault : null;
            var error = stores.Run(() => Record.ExceptionAsync(() => store.PostChargeAsync(SampleRows.Charge(1L, 1m))).AsTask());
            Assert.True(isConflict ? error is StoreException { Error: StoreError.Conflict } : error is MigrationException { ErrorId: "Throttled" }, error?.ToString());
        }

        stores.DynamoDb.Script = null;
        Assert.DoesNotContain(stores.Items().Keys, k => k.Contains("CHARGE#", StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_process_does_not_know_and_others_set_meanwhile_survives_its_moves()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network);
        stores.MigrateAccount(1);
        stores.Migrate(BillingEntity.Charge, 100, [.. SampleRows.Charge(1L, 1m).Select(v => (v.Key, v.Value))]);
        var old = stores.Open("old");
        var later = stores.OpenLater(stores.Shop.LaterTables);
        var (sent, isSet) = (0, false);
        stores.DynamoDb.Script = r => r.Process.Name == "old" && r.Operation == "TransactWriteItems" && ++sent > 0 && !isSet ? Fault.LoseRequest : null;
        stores.Run(async () =>
        {
            var charge = (await old.GetAsync(BillingEntity.Charge, "charge_id", 100L))!;
            var move = old.UpdateAsync(charge, SampleRows.Values(("charged_at", SimulatedStores.At.AddHours(1))));
            while (sent == 0)
            {
                await stores.PassAsync(TimeSpan.FromMilliseconds(1));
            }

            await later.UpdateAsync((await later.GetAsync(BillingEntity.Charge, "charge_id", 100L))!, SampleRows.Values((SimulatedShop.LaterColumn, 5)));
            isSet = true;
            await move;
            Assert.Equal(5L, (await later.GetAsync(BillingEntity.Charge, "charge_id", 100L))![SimulatedShop.LaterColumn]);
        });
    }

    [Fact]
    public void A_row_whose_item_moves_all_the_time_is_there_all_the_time()
    {
        using var stores = new SimulatedStores(SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(5), IndexDelayLeast = TimeSpan.FromSeconds(4) });
        stores.MigrateAccount(1);
        var (mover, reader) = (stores.Open("mover"), stores.Open("reader"));
        stores.Run(async () =>
        {
            var isOver = false;
            var moving = MoveAsync();
            for (var n = 0; n < 100; n++)
            {
                Assert.NotNull(await reader.GetAsync(BillingEntity.Bill, "bill_id", 1L));
                await reader.InsertAsync(BillingEntity.Charge, SampleRows.Charge(1L, 1m).SetItem("bill_id", 1L));
            }

            isOver = true;
            await moving;

            async Task MoveAsync()
            {
                var bill = await mover.GetAsync(BillingEntity.Bill, "bill_id", 1L);
                for (var n = 1; !isOver; n++)
                {
                    bill = await mover.UpdateAsync(bill!, SampleRows.Values(("bill_date", new DateOnly(2026, 2, 1).AddDays(n % 300))));
                    await stores.PassAsync(TimeSpan.FromMilliseconds(40));
                }
            }
        });
    }

    [Theory]
    [InlineData(17, "bill_date")]
    [InlineData(18, "bill_date")]
    [InlineData(18, "account_id")]
    public void A_bill_whose_item_moves_takes_its_children_with_it(long account, string moved)
    {
        using var stores = new SimulatedStores(SimulatedStores.Network with { IndexDelay = TimeSpan.FromSeconds(30), IndexDelayLeast = TimeSpan.FromSeconds(25) });
        stores.MigrateAccount(17);
        stores.MigrateAccount(18);
        var store = stores.Open();
        stores.Run(async () =>
        {
            var charge = await store.PostChargeAsync(SampleRows.Charge(account, 1m).SetItem("bill_id", 18L));
            var bill = (await store.GetAsync(BillingEntity.Bill, "bill_id", 18L))!;
            bill = await store.UpdateAsync(bill, moved == "account_id" ? SampleRows.Values((moved, 17L)) : SampleRows.Values((moved, new DateOnly(2026, 2, 3))));
            await store.DeleteAsync(bill);
            Assert.Null((await store.GetAsync(BillingEntity.Charge, "charge_id", charge["charge_id"]!))!["bill_id"]);
        });
    }
}
