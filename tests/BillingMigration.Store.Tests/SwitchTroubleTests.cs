using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;

namespace BillingMigration.Store.Tests;

/// <summary>Switches that meet trouble: what waits, fails or is late keeps nothing back and loses nothing.</summary>
public sealed class SwitchTroubleTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_switch_that_fails_or_takes_too_long_backs_out_and_one_that_was_left_is_finished_or_undone()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var store = await shop.OpenAsync(new RoutingOptions { MostWait = TimeSpan.FromMinutes(5) });
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ROUTED"), Cancel))["account_id"]!;
        using var clients = new PostingClients(store, account);
        await using var session = await shop.Migration.ConnectAsync();

        var hook = await Assert.ThrowsAsync<MigrationException>(() => shop.SwitchAsync(
            RouteState.DynamoDb, o => o with { OnState = (route, _) => route.State == RouteState.Draining ? throw new InvalidOperationException("the load balancer does not answer") : Task.CompletedTask }));
        Assert.Contains("the load balancer does not answer", hook.Message, StringComparison.Ordinal);
        await WritesToAsync(RouteState.Shadow);

        // Somebody holds a table of the server: the fence does not come up.
        await shop.Database.ExecuteAsync("CREATE TABLE held (id INT PRIMARY KEY)");
        await using (var other = await shop.Database.OpenAsync())
        {
            await SwitchShop.ExecuteAsync(other, "LOCK TABLES held WRITE");
            var limit = await Assert.ThrowsAsync<MigrationException>(() => shop.SwitchAsync(RouteState.DynamoDb, o => o with { MaxStall = TimeSpan.FromSeconds(3) }));
            Assert.Equal("StallLimitReached", limit.ErrorId);
            await SwitchShop.ExecuteAsync(other, "UNLOCK TABLES");
        }

        await WritesToAsync(RouteState.Shadow);

        // Killed while calls wait: undone by the one side, finished by the other.
        await DrainAsync();
        Assert.Equal(RouteState.MySql, (await shop.SwitchAsync(RouteState.MySql)).Route.State);
        await WritesToAsync(RouteState.MySql);
        await DrainAsync();
        Assert.Equal(RouteState.DynamoDb, (await shop.SwitchAsync(RouteState.DynamoDb)).Route.State);
        await WritesToAsync(RouteState.DynamoDb);
        await DrainAsync();
        Assert.Equal(RouteState.DynamoDb, (await shop.SwitchAsync(RouteState.DynamoDb)).Route.State);
        await WritesToAsync(RouteState.DynamoDb);
        await DrainAsync();
        Assert.Equal(RouteState.MySql, (await shop.SwitchAsync(RouteState.MySql)).Route.State);
        await WritesToAsync(RouteState.MySql);

        await clients.StopAsync();
        var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), Cancel);
        Assert.Equal(clients.Acknowledged.Order(), charges.Select(c => c.Get<decimal>("amount")).Order());
        await new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel);
        await shop.RequireEqualAsync();

        async Task WritesToAsync(RouteState state)
        {
            Assert.Equal(state, (await session.Control.FindRouteAsync(Cancel)).State);
            await clients.PostedAsync(20);
        }

        async Task DrainAsync()
        {
            await using var lease = await session.Control.AcquireLeaseAsync("SWITCH", Cancel);
            var route = await session.Control.FindRouteAsync(Cancel);
            await session.Control.ChangeRouteAsync(lease, route.To(RouteState.Draining, "killed", "a test", DateTimeOffset.UnixEpoch), Cancel);
        }
    }

    [Fact]
    public async Task Who_writes_is_waited_for_until_it_says_that_it_waits_and_who_says_nothing_until_it_cannot()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        await using (var store = await shop.OpenAsync())
        {
            Assert.Empty(await session.Control.ListRoutersAsync(Cancel));
            var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("ROUTED"), Cancel))["account_id"]!;
            using var clients = new PostingClients(store, account);
            await clients.PostedAsync(20);
            var known = Assert.Single(await session.Control.ListRoutersAsync(Cancel));
            Assert.Equal(0, known.Epoch);

            // A long lease, so that a slow machine has the time to say it.
            await shop.SwitchAsync(RouteState.DynamoDb, o => o with { RouteLease = TimeSpan.FromSeconds(6) });
            await clients.PostedAsync(20);
            var back = await shop.SwitchAsync(RouteState.MySql);
            Assert.Empty(back.Warnings);
            Assert.Equal(back.Route.Epoch - 1, Assert.Single(await session.Control.ListRoutersAsync(Cancel)).Epoch);
            await shop.SwitchAsync(RouteState.DynamoDb);
            await clients.PostedAsync(20);

            // One that has ended without a word.
            await session.Control.SaveRouterAsync(new RouterItem("gone", "process 7 of nobody", 0), Cancel);
            back = await shop.SwitchAsync(RouteState.MySql);
            Assert.Contains("1 of 2 applications", Assert.Single(back.Warnings), StringComparison.Ordinal);
            Assert.Contains("process 7 of nobody", back.Warnings[0], StringComparison.Ordinal);
            var left = Assert.Single(await session.Control.ListRoutersAsync(Cancel));
            Assert.Equal((known.Id, back.Route.Epoch - 1), (left.Id, left.Epoch));
            await clients.PostedAsync(20);
            await clients.StopAsync();
        }

        Assert.Empty(await session.Control.ListRoutersAsync(Cancel));
    }

    [Fact]
    public async Task The_way_back_ends_when_the_last_change_has_come_out_of_the_stream_and_not_when_it_is_empty()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await shop.SwitchAsync(RouteState.DynamoDb);
        var (proxy, session) = await ThroughProxyAsync(shop);
        await using var closing = proxy;
        await using var ending = session;
        var held = proxy.Faults.While(HttpFault.EmptyStream, "GetRecords");
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("LATE"), Cancel))["account_id"]!;

        var switching = await HeldAsync(session, RouteState.MySql, "WriteBack", held.Counter, "It has ended without the last change.");

        held.Dispose();
        Assert.Equal(RouteState.MySql, (await switching).Route.State);
        Assert.NotNull(await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel));
        await shop.RequireEqualAsync();
        var left = await session.Target.Client.ScanAsync(
            new ScanRequest { TableName = session.Definition.Target.Table, FilterExpression = "attribute_not_exists(entity)", ConsistentRead = true }, Cancel);
        Assert.Equal(0, left.Count);
    }

    [Fact]
    public async Task A_shard_that_is_closed_goes_on_in_one_that_is_listed_later()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await shop.SwitchAsync(RouteState.DynamoDb);
        var (proxy, session) = await ThroughProxyAsync(shop);
        await using var closing = proxy;
        await using var ending = session;
        var split = proxy.Faults.Stream = new StreamSplit { IsClosed = true };
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, SampleRows.Account("CHILD"), Cancel))["account_id"]!;

        var switching = await HeldAsync(session, RouteState.MySql, "WriteBack", split.Listings, "It has ended without the shard that is not listed.");

        split.ListsChild = true;
        Assert.Equal(RouteState.MySql, (await switching).Route.State);
        Assert.NotNull(await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel));
        await shop.RequireEqualAsync();
    }

    [Fact]
    public async Task Calls_go_to_the_table_when_its_indexes_show_what_was_written_last()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using (var writer = await shop.Database.OpenAsync())
        {
            await SwitchShop.ExecuteAsync(writer, "UPDATE billing_account SET account_number = 'MOVED' WHERE account_id = 1");
        }

        var (proxy, session) = await ThroughProxyAsync(shop);
        await using var closing = proxy;
        await using var ending = session;
        var held = proxy.Faults.While(HttpFault.EmptyIndex, "Query");

        var switching = await HeldAsync(session, RouteState.DynamoDb, "Indexes", held.Counter, "It has ended though an index is behind.");

        held.Dispose();
        Assert.Equal(RouteState.DynamoDb, (await switching).Route.State);
    }

    [Fact]
    public async Task A_way_that_breaks_while_calls_wait_is_named_and_worth_another_attempt()
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb: false);
        await using var session = await shop.Migration.ConnectAsync();
        await shop.SwitchAsync(RouteState.DynamoDb);
        await DynamoDb.Sequence.RaiseAsync(session.Target.Client, session.Definition, BillingEntity.Charge, 1_000_000, Cancel);
        await using var other = await shop.Database.OpenAsync();
        await SwitchShop.ExecuteAsync(other, "LOCK TABLES charge READ");

        var switching = shop.SwitchAsync(RouteState.MySql, o => o with { MaxStall = TimeSpan.FromMinutes(2) });
        await SwitchShop.ExecuteAsync(other, $"KILL {await WaitingAsync()}");
        var lost = await Assert.ThrowsAsync<MigrationException>(() => switching);

        Assert.Equal(("SourceLost", MigrationErrorKind.Unreachable), (lost.ErrorId, lost.Kind));
        Assert.Contains("'Keys'", lost.Message, StringComparison.Ordinal);
        Assert.Contains("backed out", lost.Message, StringComparison.Ordinal);
        await SwitchShop.ExecuteAsync(other, "UNLOCK TABLES");
        Assert.Equal(RouteState.MySql, (await shop.SwitchAsync(RouteState.MySql)).Route.State);

        // The connection that waits for the table.
        async Task<object> WaitingAsync()
        {
            await using var command = new MySqlConnector.MySqlCommand("SELECT MAX(id) FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE%AUTO_INCREMENT%'", other);
            while (true)
            {
                if (await command.ExecuteScalarAsync(Cancel) is { } id and not DBNull)
                {
                    return id;
                }

                if (switching.IsCompleted)
                {
                    await switching;
                }
            }
        }
    }

    /// <summary>Switches, and returns when a step has asked five times for what it is not told.</summary>
    private static async Task<Task<SwitchResult>> HeldAsync(MigrationSession session, RouteState to, string step, HitCounter asked, string otherwise)
    {
        var begun = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var steps = new Steps(s => _ = s == step && begun.TrySetResult(asked.Count));
        var switching = new BackendSwitch(session, new SwitchOptions { To = to, Reason = "a test", MaxStall = TimeSpan.FromMinutes(2) }).RunAsync(steps, Cancel);
        await Task.WhenAny(switching, AskedAsync());
        Assert.False(switching.IsCompleted, otherwise);
        return switching;

        async Task AskedAsync() => await asked.ReachesAsync(await begun.Task + 5);
    }

    /// <summary>A session of the shop's migration whose way to the table goes through a proxy.</summary>
    private static async Task<(FaultProxy Proxy, MigrationSession Session)> ThroughProxyAsync(SwitchShop shop)
    {
        var proxy = FaultProxy.Start(shop.DynamoDb.Host, shop.DynamoDb.Port, ProxiedProtocol.Http);
        await using var migration = SampleMigration.Create(shop.Database.ConnectionString, proxy.Url);
        migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = shop.Migration.Definition.Target.Table } };
        return (proxy, await migration.ConnectAsync());
    }

    private sealed class Steps(Action<string> told) : IProgress<SwitchProgress>
    {
        public void Report(SwitchProgress value) => told(value.Step);
    }
}
