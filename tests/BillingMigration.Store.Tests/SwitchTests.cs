using BillingMigration.Control;

namespace BillingMigration.Store.Tests;

/// <summary>Applications go on while their backend is switched, to and fro.</summary>
public sealed class SwitchTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Applications_are_switched_to_the_table_and_back_and_over_again_and_nothing_is_lost(bool mariaDb)
    {
        await using var shop = await SwitchShop.CreateAsync(stores, mariaDb);
        await using var store = await shop.OpenAsync();
        var account = (await store.InsertAsync(BillingEntity.Account, WriteTests.Account("ROUTED"), Cancel))["account_id"]!;
        using var clients = new PostingClients(store, account);
        await clients.PostedAsync(50);

        foreach (var to in new[] { RouteState.DynamoDb, RouteState.MySql, RouteState.DynamoDb, RouteState.MySql })
        {
            var result = await shop.SwitchAsync(to);
            Assert.Equal((SwitchOutcome.Switched, to), (result.Outcome, result.Route.State));
            TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.UtcNow:mm:ss} {to}: stall {result.Stall?.TotalMilliseconds:0} ms of {result.Duration.TotalSeconds:0.0} s; {string.Join(", ", result.Steps.Select(s => $"{s.Name} {s.Took.TotalMilliseconds:0}"))}");
            await clients.PostedAsync(50);
            Assert.Equal(to, store.Route.State);
        }

        await clients.StopAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"longest call {clients.Longest.TotalMilliseconds:0} ms, {clients.Acknowledged.Count()} charges");
        var charges = await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("account_id", account), Cancel);
        Assert.Equal(clients.Acknowledged.Order(), charges.Select(c => c.Get<decimal>("amount")).Order());
        Assert.Equal(charges.Sum(c => c.Get<decimal>("amount") + c.Get<decimal>("tax_amount")), (await store.GetAsync(BillingEntity.Account, "account_id", account, Cancel))!["balance"]);

        await using var session = await shop.Migration.ConnectAsync();
        await new Sync.ChangeFollower(session, new Sync.SyncOptions()).RunAsync(new Progress<Sync.SyncProgress>(), Cancel);
        await shop.RequireEqualAsync();
    }
}
