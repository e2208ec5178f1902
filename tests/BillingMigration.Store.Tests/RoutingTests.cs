using System.Collections.Concurrent;
using BillingMigration.Control;
using BillingMigration.Store.DynamoDb;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>An application keeps one store while calls are sent to the other side.</summary>
public sealed class RoutingTests(SampleStores stores)
{
    private static readonly Route Route = new() { State = RouteState.MySql, Backend = StoreBackend.MySql, Epoch = 1, Actor = "a", Reason = "r", At = DateTimeOffset.UnixEpoch, Lease = TimeSpan.FromMilliseconds(200) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Clients_go_on_while_their_calls_are_sent_to_the_table(bool mariaDb)
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb);
        await using var session = await shop.Migration.ConnectAsync();
        await using var lease = await session.Control.AcquireLeaseAsync("SWITCH", Cancel);
        var differences = new ConcurrentQueue<StoreDifference>();
        var readings = new ConcurrentQueue<ShadowReading>();
        await using var store = await RoutedBillingStore.OpenAsync(
            shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, new RoutingOptions { OnDifference = differences.Enqueue, OnReading = readings.Enqueue }, TimeProvider.System, Cancel);
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ROUTED"), Cancel))["account_id"]!;
        await shop.SyncAsync();
        using var clients = new PostingClients(store, account);

        await WritableShop.MoveAsync(session, lease, RouteState.Shadow);
        await clients.PostedAsync(100);
        while (readings.IsEmpty)
        {
            await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel);
        }

        var draining = await WritableShop.MoveAsync(session, lease, RouteState.Draining);
        // As a switch does: nobody is told, the time of the lease and of what is under way is over.
        await Task.Delay(RouteTimes.UntilNothingLands(draining), Cancel);
        await shop.SyncAsync(isOfSwitch: true);
        // Generated keys go on above those of the source.
        await StoreSchema.SaveAsync(session, Cancel);
        await WritableShop.MoveAsync(session, lease, RouteState.DynamoDb);
        await clients.PostedAsync(100);
        await clients.StopAsync();

        Assert.Equal(RouteState.DynamoDb, store.Route.State);
        await using var table = await shop.OpenDynamoDbAsync();
        var charges = await table.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), Cancel);
        Assert.Equal(clients.Acknowledged.Order(), charges.Select(c => c.Get<decimal>("amount")).Order());
        Assert.Equal(charges.Sum(c => c.Get<decimal>("amount") + c.Get<decimal>("tax_amount")), (await table.GetAsync(BillingEntity.Account, "account_id", account, Cancel))!["balance"]);
        Assert.Equal([RouteState.Shadow, RouteState.Draining, RouteState.DynamoDb], (await session.Control.ListRoutesAsync(Cancel)).Select(r => r.State));
    }

    [Fact]
    public async Task A_store_opens_the_table_when_a_switch_is_announced_and_says_so_when_it_writes()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        await using var lease = await session.Control.AcquireLeaseAsync("SWITCH", Cancel);
        await using var writes = await RoutedBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, null, TimeProvider.System, Cancel);
        await using var reads = await RoutedBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, null, TimeProvider.System, Cancel);
        await writes.InsertAsync(BillingEntity.Account, SampleRows.Account("ROUTED"), Cancel);
        Assert.Equal(0, Assert.Single(await session.Control.ListRoutersAsync(Cancel)).Ready);

        var shadow = await WritableShop.MoveAsync(session, lease, RouteState.Shadow);
        await Cutover.ReadyWait.WaitAsync(session, shadow, Cancel);
        Assert.Equal(shadow.Epoch, Assert.Single(await session.Control.ListRoutersAsync(Cancel)).Ready);

        // One that writes for the first time says it together with that.
        await reads.InsertAsync(BillingEntity.Account, SampleRows.Account("LATER"), Cancel);
        await Cutover.ReadyWait.WaitAsync(session, shadow, Cancel);
        Assert.All(await session.Control.ListRoutersAsync(Cancel), router => Assert.Equal(shadow.Epoch, router.Ready));
    }

    [Fact]
    public async Task The_other_side_is_opened_for_a_switch_only_and_again_when_that_fails()
    {
        var time = new QuickTime(20);
        var opened = new List<StoreBackend>();
        var fails = true;
        await using var backends = new RoutedBackends((side, _) =>
        {
            lock (opened)
            {
                opened.Add(side);
            }

            var isFirst = fails;
            fails = false;
            return isFirst ? throw new MigrationException("TargetUnreachable", MigrationErrorKind.Unreachable, "It does not answer.", null) : Task.FromException<IBillingStore>(new OperationCanceledException());
        });
        await using var presence = Known();
        await using var other = new OtherSide(backends, presence, time);
        other.Look(Route);
        other.Look(Route with { State = RouteState.DynamoDb, Backend = StoreBackend.DynamoDb });
        Assert.Empty(opened);

        for (var draining = Route with { State = RouteState.Draining, Backend = StoreBackend.DynamoDb }; Count() < 2;)
        {
            other.Look(draining);
            await Task.Yield();
        }

        Assert.All(opened, side => Assert.Equal(StoreBackend.MySql, side));

        int Count()
        {
            lock (opened)
            {
                return opened.Count;
            }
        }
    }

    [Fact]
    public async Task Generated_keys_that_were_taken_before_a_switch_are_not_used_after_it()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await shop.RouteAsync(RouteState.Shadow, RouteState.Draining, RouteState.DynamoDb);
        await using var store = await RoutedBillingStore.OpenAsync(shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access, options: null, TimeProvider.System, Cancel);
        var first = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("KEYS-0"), Cancel)).Get<long>("account_id");

        // A block of keys that was asked for when the switch had raised those of the source already: the source gives them too.
        await shop.RouteAsync(RouteState.Draining, RouteState.MySql);
        await KnowsAsync(store, RouteState.MySql);
        await using (var source = await shop.OpenAsync(Backend.MySql))
        {
            for (var n = 1; n < 6; n++)
            {
                await source.InsertAsync(BillingEntity.Account, SampleRows.Account($"KEYS-{n}").SetItem("account_id", first + n), Cancel);
            }
        }

        await shop.RouteAsync(RouteState.Shadow, RouteState.Draining);
        await KnowsAsync(store, RouteState.Draining);
        await shop.SyncAsync(isOfSwitch: true);
        await using (var session = await shop.Migration.ConnectAsync())
        {
            await StoreSchema.SaveAsync(session, Cancel);
        }

        await shop.RouteAsync(RouteState.DynamoDb);
        var next = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("KEYS-6"), Cancel);
        Assert.True(next.Get<long>("account_id") > first + 5, $"{next["account_id"]} after {first}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Keys_that_the_source_gave_to_rows_that_are_gone_are_not_given_again(bool mariaDb)
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb);
        await shop.Database.ExecuteAsync("ALTER TABLE billing_account COMMENT 'moved with AUTO_INCREMENT=7'");
        await using var source = await shop.OpenAsync(Backend.MySql);
        var gone = await source.InsertAsync(BillingEntity.Account, SampleRows.Account("GONE"), Cancel);
        await source.DeleteAsync(gone, Cancel);
        await using (var session = await shop.Migration.ConnectAsync())
        {
            await StoreSchema.SaveAsync(session, Cancel);
        }

        await using var table = await shop.OpenDynamoDbAsync();
        var next = await table.InsertAsync(BillingEntity.Account, SampleRows.Account("NEXT"), Cancel);
        Assert.True(next.Get<long>("account_id") > gone.Get<long>("account_id"), $"{next["account_id"]} after {gone["account_id"]}");
    }

    [Fact]
    public async Task A_change_of_the_route_is_made_once_in_order_and_by_the_holder_of_the_lease()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        var control = session.Control;
        var lease = await control.AcquireLeaseAsync("SWITCH", Cancel);
        var first = await control.FindRouteAsync(Cancel);
        Assert.Equal((RouteState.MySql, 0), (first.State, first.Epoch));
        Assert.Equal("RouteChangeInvalid", Assert.Throws<MigrationException>(() => To(first, RouteState.DynamoDb)).ErrorId);

        await control.ChangeRouteAsync(lease, To(first, RouteState.Shadow), Cancel);
        var late = await Assert.ThrowsAsync<MigrationException>(() => control.ChangeRouteAsync(lease, To(first, RouteState.Draining), Cancel));
        Assert.Equal("RouteChanged", late.ErrorId);

        var shadow = await control.FindRouteAsync(Cancel);
        await lease.DisposeAsync();
        await using var another = await control.AcquireLeaseAsync("SWITCH", Cancel);
        var without = await Assert.ThrowsAsync<MigrationException>(() => control.ChangeRouteAsync(lease, To(shadow, RouteState.Draining), Cancel));
        Assert.Equal("LeaseLost", without.ErrorId);
        Assert.Equal(shadow, await control.FindRouteAsync(Cancel));
    }

    [Fact]
    public async Task Without_an_answer_within_the_lease_no_call_begins_and_no_unit_is_committed()
    {
        var isGone = false;
        await using var watch = await RouteWatch.OpenAsync(
            _ => Task.FromResult(Route), _ => Volatile.Read(ref isGone) ? Task.FromException<Route>(new HttpRequestException("gone")) : Task.FromResult(Route),
            Known(), "control", new RoutingOptions { MostWait = TimeSpan.FromSeconds(1) }, TimeProvider.System, Cancel);
        await watch.AcceptingAsync(writes: true, Cancel);
        using var write = watch.GateOf(StoreBackend.MySql).Begin();
        write.Pass();
        Volatile.Write(ref isGone, true);
        Assert.Throws<NotRoutedException>(watch.GateOf(StoreBackend.DynamoDb).Begin().Pass);
        watch.GateOf(StoreBackend.MySql).Begin(Route.Epoch).Pass();
        Assert.Throws<NotRoutedException>(watch.GateOf(StoreBackend.MySql).Begin(Route.Epoch - 1).Pass);
        while (watch.IsHeld)
        {
            await Task.Delay(10, Cancel);
        }

        Assert.Throws<NotRoutedException>(write.Pass);
        // A unit that was refused at the gate looks again, though no answer comes.
        await watch.NextAsync(Cancel);
        Assert.Equal("RouteUnknown", (await Assert.ThrowsAsync<MigrationException>(() => watch.AcceptingAsync(writes: false, Cancel).AsTask())).ErrorId);
    }

    [Fact]
    public async Task Calls_wait_while_the_backend_drains_as_many_as_may_and_go_on_where_the_next_route_says()
    {
        var now = To(Route, RouteState.Draining);
        Task<Route> AskAsync(CancellationToken cancellationToken) => Task.FromResult(Volatile.Read(ref now));
        await using var watch = await RouteWatch.OpenAsync(AskAsync, AskAsync, Known(), "control", new RoutingOptions { MostWaiting = 2 }, TimeProvider.System, Cancel);
        var waiting = new[] { watch.AcceptingAsync(writes: true, Cancel).AsTask(), watch.AcceptingAsync(writes: false, Cancel).AsTask() };
        Assert.Equal("TooManyCallsWait", (await Assert.ThrowsAsync<MigrationException>(() => watch.AcceptingAsync(writes: false, Cancel).AsTask())).ErrorId);
        Assert.DoesNotContain(waiting, w => w.IsCompleted);

        Volatile.Write(ref now, To(now, RouteState.DynamoDb));
        Assert.All(await Task.WhenAll(waiting), route => Assert.Equal(StoreBackend.DynamoDb, route.Backend));
        watch.GateOf(StoreBackend.DynamoDb).Begin().Pass();
        Assert.Throws<NotRoutedException>(watch.GateOf(StoreBackend.MySql).Begin().Pass);
    }

    private static RouterPresence Known() => new((_, _) => Task.CompletedTask, (_, _, _) => Task.CompletedTask, (_, _) => Task.CompletedTask, (_, _) => Task.FromResult<RouterItem?>(null), TimeProvider.System);

    /// <summary>A switch does not go on before its applications know of a change, or what they know has expired.</summary>
    private static async Task KnowsAsync(RoutedBillingStore store, RouteState state)
    {
        while (store.Route.State != state)
        {
            await Task.Delay(10, Cancel);
        }
    }

    private static Route To(Route route, RouteState state) => route.To(state, "tester", "a test", DateTimeOffset.UnixEpoch);
}
