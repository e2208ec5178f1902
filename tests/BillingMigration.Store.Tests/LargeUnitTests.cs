using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing.Faults;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>Deletions and bill runs of more items than a transaction takes: the same in the end as on the source, also when whoever does them is gone between any two requests.</summary>
public sealed class LargeUnitTests(SampleStores stores)
{
    private const int Charges = 130;

    /// <summary>Accounts for one broken attempt each, as many as a unit has requests and more.</summary>
    private const int Accounts = 70;

    internal const int FirstAccount = 100_001;

    private static readonly DateTime At = new(2026, 2, 1, 0, 0, 0, DateTimeKind.Utc);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Accounts with a subscriber, a bill and <see cref="Charges"/> charges each; every tenth charge is of the next account and refers to subscriber and bill of this one.</summary>
    internal static string Setup(int accounts) => $"""
        CREATE TABLE number (n INT NOT NULL PRIMARY KEY);
        INSERT INTO number WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {Charges - 1}) SELECT n FROM r;
        INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at, updated_at)
          SELECT {FirstAccount} + n, 1, CONCAT('LARGE-', n), 'EUR', 1, '2026-01-01', '2026-01-01 00:00:00' FROM number WHERE n <= {accounts};
        INSERT INTO subscriber (subscriber_id, account_id, phone_number, activated_at) SELECT {FirstAccount} + n, {FirstAccount} + n, CONCAT('+49-LARGE-', n), '2026-01-01' FROM number WHERE n <= {accounts};
        INSERT INTO service_agreement (subscriber_id, account_id, product_code, monthly_fee, start_date)
          SELECT {FirstAccount} + n, {FirstAccount} + n, 'FLAT', 9.9, '2026-01-01' FROM number WHERE n <= {accounts};
        INSERT INTO bill (bill_id, account_id, bill_number, status, period_start, period_end, bill_date, due_date, subtotal, tax_amount, total, created_at)
          SELECT {FirstAccount} + n, {FirstAccount} + n, CONCAT('LARGE-', n), 'ISSUED', '2026-01-01', '2026-01-31', '2026-02-01', '2026-02-15', 1, 0, 1, '2026-02-01 00:00:00' FROM number WHERE n <= {accounts};
        INSERT INTO charge (charge_id, account_id, subscriber_id, bill_id, charge_type, description, amount, tax_amount, charged_at, created_at)
          SELECT {FirstAccount} * 10 + a.n * {Charges} + c.n, {FirstAccount} + a.n + (c.n % 10 = 9), {FirstAccount} + a.n, IF(c.n % 10 = 9, {FirstAccount} + a.n, NULL), 'USAGE', CONCAT('call ', c.n),
            c.n * 0.0101, c.n * 0.0019, '2026-01-15', '2026-01-15 00:00:00' FROM number a, number c WHERE a.n < {accounts};
        DROP TABLE number
        """;

    [Fact]
    public async Task A_large_account_goes_with_all_that_is_its_own_as_on_the_source()
    {
        var (onSource, onTable) = await BothAsync(async store =>
            await store.DeleteAsync((await store.GetAsync(BillingEntity.Account, "account_id", FirstAccount, Cancel))!, Cancel));
        Assert.Equal(onSource, onTable);
        Assert.DoesNotContain(onTable.Keys, k => k.StartsWith($"ACCOUNT#{FirstAccount} ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_large_bill_run_is_the_one_of_the_source()
    {
        var (onSource, onTable) = await BothAsync(async store =>
        {
            var bill = await store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "RUN").SetItem("bill_id", 555_555).SetItem("created_at", At), null, Cancel);
            Assert.Equal(bill, await store.GetAsync(BillingEntity.Bill, "bill_id", 555_555, Cancel));
            Assert.Null(await store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "AGAIN"), null, Cancel));
        });
        Assert.Equal(onSource, onTable);
    }

    [Fact]
    public async Task A_large_unit_is_refused_before_it_begins()
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(1));
        await using var store = await shop.OpenDynamoDbAsync();
        var before = await shop.ItemsAsync();
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", FirstAccount, Cancel))!;
        var changed = await store.UpdateAsync(account, SampleRows.Values(("currency", "USD")), Cancel);
        await WriteTests.RefusedAsync(StoreError.Conflict, store.DeleteAsync(account, Cancel));
        await store.UpdateAsync(changed, SampleRows.Values(("currency", "EUR"), ("updated_at", account["updated_at"])), Cancel);

        await WriteTests.RefusedAsync(StoreError.DuplicateKey, store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "LARGE-0"), null, Cancel));
        Assert.Null(await store.RunBillAsync(999_999, SampleRows.Bill(999_999, "NONE"), null, Cancel));
        Assert.Equal(before, await shop.ItemsAsync());
        Assert.Equal(0, await store.FinishLargeUnitsAsync(Cancel));
    }

    /// <param name="losesAnswer">True: the last request that arrives is done, and its answer is lost.</param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_deletion_that_was_broken_off_anywhere_is_finished_or_never_began(bool losesAnswer)
    {
        var finished = await BreakOffEverywhereAsync(losesAnswer, (store, account) => store.DeleteAsync(account, Cancel), async (store, account, wasOpen) =>
        {
            var id = account.Get<long>("account_id");
            await stores.CatchUpAsync();
            var isThere = await store.GetAsync(BillingEntity.Account, "account_id", id, Cancel) is not null;
            var children = 0;
            foreach (var entity in new[] { BillingEntity.Subscriber, BillingEntity.Agreement, BillingEntity.Bill, BillingEntity.Charge })
            {
                children += (await store.ListAsync(new RecordQuery(entity).Where("account_id", id), Cancel)).Count;
            }

            Assert.Equal(isThere ? 3 + Charges : 0, children);
            Assert.Equal(isThere ? Charges : 0, (await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("subscriber_id", id), Cancel)).Count);
            Assert.Equal(isThere ? Charges / 10 : 0, (await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", id), Cancel)).Count);
            if (wasOpen && isThere)
            {
                // It had not been decided, and was undone: the account is not held any more.
                await store.PostChargeAsync(SampleRows.Charge(id, 1), null, Cancel);
            }
        });
        Assert.InRange(finished, 3, Accounts);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_bill_run_that_was_broken_off_anywhere_is_finished_or_never_began(bool losesAnswer)
    {
        var finished = await BreakOffEverywhereAsync(
            losesAnswer,
            (store, account) => store.RunBillAsync(account["account_id"]!, SampleRows.Bill(account["account_id"]!, $"RUN-{account["account_id"]}"), null, Cancel),
            async (store, account, wasOpen) =>
            {
                var id = account["account_id"]!;
                var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", id), Cancel);
                var bill = await store.FindAsync(BillingEntity.Bill, "bill_number", $"RUN-{id}", Cancel);
                var unbilled = charges.Where(c => c["bill_id"] is null).ToArray();
                if (bill is null)
                {
                    Assert.Equal(Charges * 9 / 10, unbilled.Length);
                    bill = await store.RunBillAsync(id, SampleRows.Bill(id, $"RUN-{id}"), null, Cancel);
                    charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", id), Cancel);
                }

                var billed = charges.Where(c => Equals(c["bill_id"], bill!["bill_id"])).ToArray();
                Assert.Equal(Charges * 9 / 10, billed.Length);
                Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("amount")), 2, MidpointRounding.AwayFromZero), bill!["subtotal"]);
                Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("tax_amount")), 2, MidpointRounding.AwayFromZero), bill["tax_amount"]);
            });
        Assert.InRange(finished, 3, Accounts);
    }

    [Fact]
    public async Task An_owner_that_was_taken_for_gone_and_comes_back_does_nothing_twice()
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(1));
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var slow = await shop.OpenDynamoDbAsync(through: proxy.Url);
        var later = new Later();
        await using var other = await shop.OpenDynamoDbAsync(later);
        var account = (await slow.GetAsync(BillingEntity.Account, "account_id", FirstAccount, Cancel))!;

        // Its second part is swallowed, and sent again when the connection is cut.
        using var swallowed = proxy.Faults.After(3, HttpFault.Swallow, times: 1, "TransactWriteItems");
        var run = slow.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "RUN"), null, Cancel);
        await swallowed.FirstHit;
        Assert.Equal(1, await FinishLeftAsync(other, later));
        var bill = await other.FindAsync(BillingEntity.Bill, "bill_number", "RUN", Cancel);
        proxy.Faults.ResetConnections();

        Assert.Equal(bill, await run);
        Assert.NotNull(bill);
        await stores.CatchUpAsync();
        var billed = await other.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill["bill_id"]), Cancel);
        Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("amount")), 2, MidpointRounding.AwayFromZero), bill["subtotal"]);
        Assert.Equal(account["account_id"], bill["account_id"]);
    }

    [Fact]
    public async Task A_large_unit_that_is_begun_goes_on_through_a_way_that_is_cut()
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(1));
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(through: proxy.Url);
        using var begun = proxy.Faults.After(2, HttpFault.Swallow, times: 1, "TransactWriteItems");
        var run = store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "RUN"), null, Cancel);
        await begun.FirstHit;

        // More often than the SDK tries by itself, and HttpClient with it.
        using var lost = proxy.Faults.Next(40, HttpFault.Reset, "GetItem");
        proxy.Faults.ResetConnections();
        var bill = await run;
        Assert.Equal(40, lost.Hits);
        await stores.CatchUpAsync();
        var billed = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill!["bill_id"]), Cancel);
        Assert.Equal(Charges * 9 / 10, billed.Count(c => Equals(c["account_id"], bill["account_id"])));
        Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("amount")), 2, MidpointRounding.AwayFromZero), bill["subtotal"]);
    }

    /// <param name="operation">What never comes through: the parts of the unit, or what stands in the intent.</param>
    [Theory]
    [InlineData("TransactWriteItems")]
    [InlineData("GetItem")]
    public async Task A_large_unit_whose_way_stays_cut_is_finished_by_others(string operation)
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(1));
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(new QuickTime(30), proxy.Url);
        using var begun = proxy.Faults.After(2, HttpFault.Swallow, times: 1, "TransactWriteItems");
        var run = store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, "RUN"), null, Cancel);
        await begun.FirstHit;
        using var lost = proxy.Faults.While(HttpFault.Reset, operation);
        proxy.Faults.ResetConnections();
        Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => run)).ErrorId);
        var later = new Later();
        await using var other = await shop.OpenDynamoDbAsync(later);
        Assert.Equal(1, await FinishLeftAsync(other, later));
        var bill = (await other.FindAsync(BillingEntity.Bill, "bill_number", "RUN", Cancel))!;
        await stores.CatchUpAsync();
        var billed = await other.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill["bill_id"]), Cancel);
        Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("amount")), 2, MidpointRounding.AwayFromZero), bill["subtotal"]);
    }

    [Fact]
    public async Task Charges_that_come_and_change_beside_a_large_bill_run_are_billed_once()
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(1));
        await using var store = await shop.OpenDynamoDbAsync();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var writers = Enumerable.Range(0, 4).Select(async w =>
        {
            var random = new Random(w);
            for (var n = 0; !end.IsCancellationRequested; n++)
            {
                await store.PostChargeAsync(SampleRows.Charge(FirstAccount, n), null, Cancel);
                var charge = (await store.GetAsync(BillingEntity.Charge, "charge_id", (FirstAccount * 10) + random.Next(Charges), Cancel))!;
                try
                {
                    await store.UpdateAsync(charge, SampleRows.Values(("description", $"{w} {n}")), Cancel);
                }
                catch (StoreException e) when (e.Error == StoreError.Conflict)
                {
                    // The bill run was quicker.
                }
            }
        }).ToArray();
        var bills = (await Task.WhenAll(Enumerable.Range(0, 3).Select(n => store.RunBillAsync(FirstAccount, SampleRows.Bill(FirstAccount, $"RUN-{n}"), null, Cancel)))).OfType<BillingRecord>().ToArray();
        await end.CancelAsync();
        await Task.WhenAll(writers);

        await stores.CatchUpAsync();
        Assert.NotEmpty(bills);
        foreach (var bill in bills)
        {
            var billed = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill["bill_id"]), Cancel);
            Assert.Equal(Math.Round(billed.Sum(c => c.Get<decimal>("amount")), 2, MidpointRounding.AwayFromZero), bill["subtotal"]);
        }
    }

    /// <summary>The items after an operation: on the source, followed by the sync; and on the table.</summary>
    private async Task<(SortedDictionary<string, string> OnSource, SortedDictionary<string, string> OnTable)> BothAsync(Func<IBillingStore, Task> operation)
    {
        await using var first = await WritableShop.CreateAsync(stores, false, Setup(2));
        await using (var store = await first.OpenAsync(Backend.MySql))
        {
            await operation(store);
        }

        await first.SyncAsync();
        await using var second = await WritableShop.CreateAsync(stores, false, Setup(2));
        await using (var store = await second.OpenDynamoDbAsync())
        {
            await operation(store);
        }

        return (await first.ItemsAsync(), await second.ItemsAsync());
    }

    /// <summary>Tries a unit on one account after the other, each time one request further before nothing arrives any more, until it is through; another store then finishes what is left.</summary>
    /// <param name="check">What holds then; the last argument is true when the unit had been noted.</param>
    /// <returns>How many were finished by the other.</returns>
    private async Task<int> BreakOffEverywhereAsync(bool losesAnswer, Func<IBillingStore, BillingRecord, Task> operation, Func<DynamoDbBillingStore, BillingRecord, bool, Task> check)
    {
        await using var shop = await WritableShop.CreateAsync(stores, false, Setup(Accounts));
        await using var proxy = await stores.DynamoDbProxyAsync();
        var later = new Later();
        await using var other = await shop.OpenDynamoDbAsync(later);
        var finished = 0;
        for (var passed = 0; passed < Accounts - 1; passed++)
        {
            // The first account has no charges that refer to one before it.
            var account = (await other.GetAsync(BillingEntity.Account, "account_id", FirstAccount + 1 + passed, Cancel))!;
            await using var store = await shop.OpenDynamoDbAsync(through: proxy.Url);
            using var lost = losesAnswer ? proxy.Faults.After(passed, HttpFault.LoseAnswer, 1) : null;
            using var dead = proxy.Faults.After(passed, HttpFault.AccessDenied);
            var failure = await Record.ExceptionAsync(() => operation(store, account));
            dead.Dispose();
            var open = await FinishLeftAsync(other, later);
            finished += open;
            await check(other, account, open > 0);
            if (failure is null)
            {
                return finished;
            }
        }

        throw new InvalidOperationException("The unit has more requests than there are accounts.");
    }

    /// <summary>Finishes what has been the same for a while by the watcher's clock.</summary>
    private static async Task<int> FinishLeftAsync(DynamoDbBillingStore store, Later time)
    {
        Assert.Equal(0, await store.FinishLargeUnitsAsync(Cancel));
        time.Pass(TimeSpan.FromMinutes(1));
        return await store.FinishLargeUnitsAsync(Cancel);
    }

    /// <summary>A clock that goes on as the machine's does, and is set on at once besides.</summary>
    private sealed class Later : TimeProvider
    {
        private TimeSpan passed;

        public void Pass(TimeSpan span) => passed += span;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + passed;

        public override long GetTimestamp() => base.GetTimestamp() + (long)(passed.TotalSeconds * TimestampFrequency);
    }
}
