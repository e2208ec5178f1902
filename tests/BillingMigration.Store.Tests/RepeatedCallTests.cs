using System.Collections.Concurrent;
using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Store.MySql;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;
using BillingMigration.Torture;

namespace BillingMigration.Store.Tests;

/// <summary>A call with a key of the application's own is made once, however often, from wherever and on whichever backend it is repeated.</summary>
public sealed class RepeatedCallTests(SampleStores stores)
{
    private static readonly DateTime At = new(2026, 3, 1, 0, 0, 0, DateTimeKind.Unspecified);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_repeated_call_gives_the_same_record_on_another_machine_and_writes_nothing(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        await using var other = await shop.OpenAsync(backend);
        var balance = await BalanceAsync(store, 1L);
        var charge = await store.PostChargeAsync(SampleRows.Charge(1L, 5), "post", null, Cancel);
        var call = await CallAsync(store, "post");
        Assert.Equal($$$"""{"call":"PostCharge 1","rows":[{"change":"insert","entity":"CHARGE","key":{"charge_id":"{{{charge["charge_id"]}}}"}},{"change":"add","entity":"BILLING_ACCOUNT","key":{"account_id":"1"}}]}""", call!["answer"]);

        Assert.Equal(charge, await other.PostChargeAsync(SampleRows.Charge(1L, 5), "post", null, Cancel));
        Assert.Equal(balance + 5.95m, await BalanceAsync(store, 1L));
        Assert.Single(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1).Where("amount", 5m), Cancel));
        Assert.Equal(call, await CallAsync(store, "post"));

        var account = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("KEYED"), "insert", Cancel);
        Assert.Equal(account, await other.InsertAsync(BillingEntity.Account, SampleRows.Account("KEYED"), "insert", Cancel));
        var changed = await store.UpdateAsync(account, SampleRows.Values(("currency", "USD")), "update", Cancel);
        // The record is not what it was read as any more: a call without a key would end with Conflict.
        Assert.Equal(changed, await other.UpdateAsync(account, SampleRows.Values(("currency", "USD")), "update", Cancel));
        await store.DeleteAsync(changed, "delete", Cancel);
        await other.DeleteAsync(changed, "delete", Cancel);

        // What the call wrote is gone since then.
        Assert.Equal(BillingEntity.Account, await WriteTests.RefusedAsync(StoreError.Conflict, other.UpdateAsync(account, SampleRows.Values(("currency", "USD")), "update", Cancel)));
        Assert.Equal([null], await other.WriteAsync(new UnitOfWork().Insert(BillingEntity.Account, SampleRows.Account("KEYED")).Once("insert"), Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_call_whose_answer_was_lost_is_posted_once(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        var balance = await BalanceAsync(store, 1L);
        await LoseAnswerAsync(shop, backend, lost => lost.PostChargeAsync(SampleRows.Charge(1L, 5), "lost", null, Cancel));
        var charge = await store.PostChargeAsync(SampleRows.Charge(1L, 5), "lost", null, Cancel);
        Assert.Equal(balance + 5.95m, await BalanceAsync(store, 1L));
        Assert.Equal(charge, Assert.Single(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", 1).Where("amount", 5m), Cancel)));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Clients_with_one_key_at_once_make_one_call_and_get_one_answer(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var one = await shop.OpenAsync(backend);
        await using var two = await shop.OpenAsync(backend);
        var id = (await one.InsertAsync(BillingEntity.Account, SampleRows.Account("AT-ONCE"), Cancel))["account_id"]!;
        Assert.Single((await AtOnceAsync(store => store.PostChargeAsync(SampleRows.Charge(id, 10), "post", null, Cancel))).Distinct());
        Assert.Equal(11.9m, await BalanceAsync(one, id));

        var bill = Assert.Single((await AtOnceAsync(store => store.RunBillAsync(id, SampleRows.Bill(id, "AT-ONCE"), "bill", null, Cancel))).Distinct())!;
        Assert.Equal(11.9m, bill["total"]);
        Assert.Single((await AtOnceAsync(store => store.PayAsync(bill["bill_id"]!, 11.9m, At, "pay", null, Cancel))).Distinct());
        Assert.Equal(0m, await BalanceAsync(one, id));

        Task<T[]> AtOnceAsync<T>(Func<IBillingStore, Task<T>> call) => Task.WhenAll(Enumerable.Range(0, 8).Select(n => call(n % 2 == 0 ? one : two)));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task Bill_runs_and_payments_are_answered_from_their_calls(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        await using var other = await shop.OpenAsync(backend);
        var id = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("BILLED"), Cancel))["account_id"]!;
        Assert.Null(await store.RunBillAsync(id, SampleRows.Bill(id, "NOTHING"), "nothing", null, Cancel));
        await store.PostChargeAsync(SampleRows.Charge(id, 10), null, Cancel);
        // That there was nothing to bill is the answer, though there is something now.
        Assert.Null(await other.RunBillAsync(id, SampleRows.Bill(id, "NOTHING"), "nothing", null, Cancel));

        var bill = (await store.RunBillAsync(id, SampleRows.Bill(id, "RUN"), "run", null, Cancel))!;
        await store.PostChargeAsync(SampleRows.Charge(id, 3), null, Cancel);
        Assert.Equal(bill, await other.RunBillAsync(id, SampleRows.Bill(id, "RUN"), "run", null, Cancel));
        Assert.Equal(10m, bill["subtotal"]);

        // All is paid: without the key it would be refused as more than what is open.
        var paid = await store.PayAsync(bill["bill_id"]!, 11.9m, At, "pay", null, Cancel);
        Assert.Equal(paid, await other.PayAsync(bill["bill_id"]!, 11.9m, At, "pay", null, Cancel));
        Assert.Equal((11.9m, "PAID"), (paid["amount_paid"], paid["status"]));
        Assert.Equal(3.57m, await BalanceAsync(store, id));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_bill_run_that_finds_a_charge_is_answered_by_the_same_call_that_had_none(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        await using var other = new LateReader(store, async () => await store.RunBillAsync(1L, SampleRows.Bill(1L, "FIRST"), "key", null, Cancel));
        await store.RunBillAsync(1L, SampleRows.Bill(1L, "BEFORE"), null, Cancel);
        other.Then = () => store.PostChargeAsync(SampleRows.Charge(1L, 5), null, Cancel);
        Assert.Null(await other.RunBillAsync(1L, SampleRows.Bill(1L, "SECOND"), "key", null, Cancel));
        Assert.Null(await store.FindAsync(BillingEntity.Bill, "bill_number", "SECOND", Cancel));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_key_of_another_call_is_refused(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        await store.PostChargeAsync(SampleRows.Charge(1L, 5), "key", null, Cancel);
        var customer = (await store.GetAsync(BillingEntity.Customer, "customer_id", 1, Cancel))!;
        var next = (await store.GetAsync(BillingEntity.Customer, "customer_id", 2, Cancel))!;
        await store.UpdateAsync(customer, SampleRows.Values(("email", "one@example.org")), "update", Cancel);
        foreach (var call in new Func<Task>[]
        {
            () => store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(1L, 5), "key", Cancel),
            () => store.PostChargeAsync(SampleRows.Charge(2L, 5), "key", null, Cancel),
            () => store.RunBillAsync(1L, SampleRows.Bill(1L, "KEY"), "key", null, Cancel),
            () => store.PayAsync(1L, 1, At, "key", null, Cancel),
            () => store.UpdateAsync(next, SampleRows.Values(("email", "two@example.org")), "update", Cancel),
            () => store.DeleteAsync(customer, "update", Cancel),
            () => store.PayAsync(1L, 1, At, "", null, Cancel),
            () => store.DeleteAsync(customer, "blank ", Cancel),
        })
        {
            Assert.Equal("call_key", await WriteTests.RefusedAsync(StoreError.ValueInvalid, call()));
        }

        Assert.Equal(next, await store.GetAsync(BillingEntity.Customer, "customer_id", 2, Cancel));
        // Keys are told apart by their bytes.
        await store.PostChargeAsync(SampleRows.Charge(1L, 6), "KEY", null, Cancel);
        Assert.Equal(6m, (await store.PostChargeAsync(SampleRows.Charge(1L, 6), "KEY", null, Cancel))["amount"]);
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_definition_without_calls_is_told_what_to_add(Backend backend)
    {
        await using var shop = await WritableShop.CreateAsync(stores, backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        var docs = await File.ReadAllTextAsync(Repository.PathOf("docs", "store.md"), Cancel);
        foreach (var call in new Func<Task>[]
        {
            () => store.PostChargeAsync(SampleRows.Charge(1L, 5), "key", null, Cancel),
            () => store.RunBillAsync(1L, SampleRows.Bill(1L, "KEY"), "key", null, Cancel),
            () => store.PayAsync(1L, 1, At, "key", null, Cancel),
        })
        {
            var refusal = await Assert.ThrowsAsync<StoreException>(call);
            Assert.Equal((StoreError.NotSupported, BillingEntity.Call), (refusal.Error, refusal.Subject));
            // Both are what the shop of the other tests is made of, and what the documentation says.
            Assert.All([CallTable.Sql(new()), CallTable.Definition(new())], text => Assert.Contains($"\n{text}\n", docs, StringComparison.Ordinal));
            Assert.Contains($"\n{CallTable.Sql(new())}\n", refusal.Message, StringComparison.Ordinal);
            Assert.EndsWith($"\n{CallTable.Definition(new())}", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_of_the_source_is_answered_by_the_table_after_a_switch(bool mariaDb)
    {
        await using var shop = await ShopAsync(mariaDb);
        var backend = mariaDb ? Backend.MariaDb : Backend.MySql;
        var id = await WithAsync(shop, backend, async store => (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("SWITCHED"), Cancel))["account_id"]!);
        await LoseAnswerAsync(shop, backend, lost => lost.PostChargeAsync(SampleRows.Charge(id, 5), "lost", null, Cancel));
        await WithAsync(shop, backend, store => store.RunBillAsync(id, SampleRows.Bill(id, "SWITCHED"), "bill", null, Cancel));
        await shop.SyncAsync();
        await shop.RouteAsync(RouteState.Shadow, RouteState.Draining, RouteState.DynamoDb);

        await using var routed = await RoutedBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, options: null, TimeProvider.System, Cancel);
        var charge = await routed.PostChargeAsync(SampleRows.Charge(id, 5), "lost", null, Cancel);
        Assert.Equal(charge, Assert.Single(await routed.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", id), Cancel)));
        Assert.Equal(5.95m, await BalanceAsync(routed, id));
        Assert.Equal("SWITCHED", (await routed.RunBillAsync(id, SampleRows.Bill(id, "SWITCHED"), "bill", null, Cancel))!["bill_number"]);
        Assert.Null(await routed.RunBillAsync(id, SampleRows.Bill(id, "NEXT"), "next", null, Cancel));
        Assert.NotNull(await CallAsync(routed, "next"));
    }

    [Fact]
    public async Task Routed_and_comparing_stores_hand_keys_to_the_source()
    {
        await using var shop = await ShopAsync(mariaDb: false);
        await using var routed = await RoutedBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, options: null, TimeProvider.System, Cancel);
        var found = new ConcurrentQueue<StoreDifference>();
        await using var both = new ComparingBillingStore(await shop.OpenAsync(Backend.MySql), await shop.OpenAsync(Backend.DynamoDb), found.Enqueue);
        var id = (await routed.InsertAsync(BillingEntity.Account, SampleRows.Account("HANDED"), "insert", Cancel))["account_id"]!;
        Assert.Null(await routed.RunBillAsync(id, SampleRows.Bill(id, "NOTHING"), "nothing", null, Cancel));
        var charge = await routed.PostChargeAsync(SampleRows.Charge(id, 10), "post", null, Cancel);
        Assert.Equal(charge, await both.PostChargeAsync(SampleRows.Charge(id, 10), "post", null, Cancel));
        Assert.Null(await both.RunBillAsync(id, SampleRows.Bill(id, "NOTHING"), "nothing", null, Cancel));
        var bill = (await both.RunBillAsync(id, SampleRows.Bill(id, "HANDED"), "bill", null, Cancel))!;
        Assert.Equal(bill, await routed.RunBillAsync(id, SampleRows.Bill(id, "HANDED"), "bill", null, Cancel));
        var paid = await routed.PayAsync(bill["bill_id"]!, 11.9m, At, "pay", null, Cancel);
        Assert.Equal(paid, await both.PayAsync(bill["bill_id"]!, 11.9m, At, "pay", null, Cancel));
        Assert.Equal(0m, await BalanceAsync(routed, id));
    }

    [Fact]
    public async Task A_large_bill_run_whose_owner_is_gone_is_answered_from_its_call()
    {
        await using var shop = await ShopAsync(mariaDb: false, LargeUnitTests.Setup(1));
        const int Account = LargeUnitTests.FirstAccount;
        await using (var proxy = await stores.DynamoDbProxyAsync())
        {
            await using var lost = await shop.OpenDynamoDbAsync(new QuickTime(30), proxy.Url);
            using var begun = proxy.Faults.After(2, HttpFault.Swallow, times: 1, "TransactWriteItems");
            var run = lost.RunBillAsync(Account, SampleRows.Bill(Account, "LARGE"), "large", null, Cancel);
            await begun.FirstHit;
            using var cut = proxy.Faults.While(HttpFault.Reset);
            proxy.Faults.ResetConnections();
            Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => run)).ErrorId);
        }

        await using var store = await shop.OpenDynamoDbAsync();
        // It is decided, and its bill is written last.
        Assert.Equal(BillingEntity.Bill, await WriteTests.RefusedAsync(StoreError.Conflict, store.RunBillAsync(Account, SampleRows.Bill(Account, "LARGE"), "large", null, Cancel)));
        await store.FinishAllLargeUnitsAsync(Cancel);
        var bill = (await store.RunBillAsync(Account, SampleRows.Bill(Account, "LARGE"), "large", null, Cancel))!;
        Assert.Equal(bill, await store.FindAsync(BillingEntity.Bill, "bill_number", "LARGE", Cancel));
        await stores.CatchUpAsync();
        Assert.True((await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("bill_id", bill["bill_id"]), Cancel)).Count > 100);

        // A deletion in parts takes no key, and then nothing is deleted.
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", Account, Cancel))!;
        Assert.Equal(BillingEntity.Account, await WriteTests.RefusedAsync(StoreError.NotSupported, store.DeleteAsync(account, "delete", Cancel)));
        Assert.Equal(account, await store.GetAsync(BillingEntity.Account, "account_id", Account, Cancel));
        Assert.Null(await CallAsync(store, "delete"));
    }

    [Theory]
    [MemberData(nameof(SampleStores.Backends), MemberType = typeof(SampleStores))]
    public async Task A_call_whose_row_is_deleted_is_a_new_call(Backend backend)
    {
        await using var shop = await ShopAsync(backend == Backend.MariaDb);
        await using var store = await shop.OpenAsync(backend);
        var first = await store.PostChargeAsync(SampleRows.Charge(1L, 5), "old", null, Cancel);
        await store.DeleteAsync((await CallAsync(store, "old"))!, Cancel);
        Assert.NotEqual(first, await store.PostChargeAsync(SampleRows.Charge(1L, 5), "old", null, Cancel));
    }

    private Task<WritableShop> ShopAsync(bool mariaDb, string sql = "SELECT 1") =>
        WritableShop.CreateAsync(stores, mariaDb, $"{sql}; {CallTable.Sql(new())}", with: SimulatedShop.WithCalls);

    private static async Task<T> WithAsync<T>(WritableShop shop, Backend backend, Func<IBillingStore, Task<T>> call)
    {
        await using var store = await shop.OpenAsync(backend);
        return await call(store);
    }

    private static async Task<decimal> BalanceAsync(IBillingStore store, object account) => (await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel))!.Get<decimal>("balance");

    private static Task<BillingRecord?> CallAsync(IBillingStore store, string key) => store.GetAsync(BillingEntity.Call, "call_key", key, Cancel);

    /// <summary>Makes a call that the backend does, and of which the application is not told.</summary>
    private async Task LoseAnswerAsync(WritableShop shop, Backend backend, Func<IBillingStore, Task> call)
    {
        if (backend != Backend.DynamoDb)
        {
            await using var source = await MySqlBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, new LostAnswers(), TimeProvider.System, Cancel);
            Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => call(source))).ErrorId);
            return;
        }

        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(new QuickTime(30), proxy.Url);
        using var lost = proxy.Faults.While(HttpFault.LoseAnswer, "TransactWriteItems");
        Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => call(store))).ErrorId);
    }

    /// <summary>Another makes the same call, and more, right after it was found that nobody has made it.</summary>
    private sealed class LateReader(IBillingStore store, Func<Task> same) : IBillingStore
    {
        private bool isMade;

        public Func<Task> Then { get; set; } = () => Task.CompletedTask;

        public async Task<BillingRecord?> GetAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken = default)
        {
            var found = await store.GetAsync(entity, key, cancellationToken);
            if (entity == BillingEntity.Call && !isMade)
            {
                isMade = true;
                await same();
                await Then();
            }

            return found;
        }

        public IAsyncEnumerable<BillingRecord> QueryAsync(RecordQuery query, CancellationToken cancellationToken = default) => store.QueryAsync(query, cancellationToken);

        public Task<RecordPage> PageAsync(RecordQuery query, int size, string? continuation = null, CancellationToken cancellationToken = default) => store.PageAsync(query, size, continuation, cancellationToken);

        public Task<IReadOnlyList<TotalRow>> TotalAsync(TotalQuery query, CancellationToken cancellationToken = default) => store.TotalAsync(query, cancellationToken);

        public Task<ImmutableArray<BillingRecord?>> WriteAsync(UnitOfWork work, CancellationToken cancellationToken = default) => store.WriteAsync(work, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>The way breaks when the server has committed.</summary>
    private sealed class LostAnswers : IWriteGate, IGatedWrite
    {
        public TimeSpan AttemptTime => TimeSpan.FromMinutes(1);

        public long Epoch => 0;

        public IGatedWrite Begin(long? epoch = null) => this;

        public Task<bool> WasWaitedForAsync(long epoch) => Task.FromResult(false);

        public void Pass()
        {
        }

        public void Answered() => throw new IOException("The answer of the commit is lost.");

        public void Dispose()
        {
        }
    }
}
