using BillingMigration.Control;
using BillingMigration.Store.MySql;
using BillingMigration.Testing;
using BillingMigration.Testing.Faults;

namespace BillingMigration.Store.Tests;

/// <summary>Trouble with a backend has the name that the commands give it, what can be tried again is, and nothing is written twice.</summary>
public sealed class FailureTests(SampleStores stores)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_write_whose_answers_are_lost_is_done_once()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(through: proxy.Url);
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;

        // More often than the SDK tries by itself.
        using var lost = proxy.Faults.Next(6, HttpFault.LoseAnswer, "TransactWriteItems");
        var charge = await store.PostChargeAsync(SampleRows.Charge(1, 5), null, Cancel);
        Assert.Equal(6, lost.Hits);
        Assert.Equal(account.Get<decimal>("balance") + 5.95m, (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!["balance"]);
        Assert.Single(await store.ListAsync(new RecordQuery(BillingEntity.Charge).Where("charge_id", charge["charge_id"]), Cancel));
    }

    [Fact]
    public async Task A_call_of_which_nothing_was_sent_is_made_again()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await shop.RouteAsync(RouteState.Shadow, RouteState.Draining, RouteState.DynamoDb);
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await RoutedBillingStore.OpenAsync(
            shop.Migration.Definition, shop.Migration.Credential, SampleMigration.Access with { EndpointUrl = proxy.Url }, options: null, TimeProvider.System, Cancel);
        await store.PostChargeAsync(SampleRows.Charge(1, 5), null, Cancel);

        // Its generated key comes from the control table: the request is reset more often than the SDK tries by itself, and HttpClient with it.
        using var lost = proxy.Faults.Next(40, HttpFault.Reset, "UpdateItem");
        var account = await store.InsertAsync(BillingEntity.Account, SampleRows.Account("UNSENT"), Cancel);
        Assert.Equal(40, lost.Hits);
        Assert.Equal(account, await store.FindAsync(BillingEntity.Account, "account_number", "UNSENT", Cancel));
    }

    [Fact]
    public async Task Trouble_of_the_table_that_does_not_pass_ends_a_call_after_a_minute()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(new QuickTime(30), proxy.Url);
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        using var gone = proxy.Faults.While(HttpFault.Reset);
        var read = await Assert.ThrowsAsync<MigrationException>(() => store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel));
        Assert.Equal(("NetworkLost", true), (read.ErrorId, read.Message.Contains("for 1 minutes", StringComparison.Ordinal)));
        gone.Dispose();

        using var unanswered = proxy.Faults.While(HttpFault.Reset, "TransactWriteItems");
        Assert.Equal("WriteOutcomeUnknown", (await Assert.ThrowsAsync<MigrationException>(() => store.UpdateAsync(account, SampleRows.Values(("currency", "USD")), Cancel))).ErrorId);
    }

    [Fact]
    public async Task What_DynamoDB_denies_has_a_name()
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb: false);
        await using var proxy = await stores.DynamoDbProxyAsync();
        await using var store = await shop.OpenDynamoDbAsync(through: proxy.Url);
        using var denied = proxy.Faults.While(HttpFault.AccessDenied, "TransactWriteItems");
        var error = await Assert.ThrowsAsync<MigrationException>(() => store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(1, 5), Cancel));
        Assert.Equal((MigrationErrorKind.PermissionDenied, true), (error.Kind, error.Message.Contains("TransactWriteItems", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connections_of_the_source_that_broke_are_no_reason_to_fail_and_a_source_that_is_gone_has_a_name(bool mariaDb)
    {
        await using var shop = await WritableShop.CreateAsync(stores, mariaDb);
        var source = shop.Migration.Definition.Source;
        await using var proxy = FaultProxy.Start(source.Host, source.Port, ProxiedProtocol.Tcp);
        var definition = shop.Migration.Definition with { Source = source with { Port = proxy.Port } };
        await using var store = await MySqlBillingStore.OpenAsync(definition, shop.Migration.Credential, TimeProvider.System, Cancel);
        var account = (await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel))!;
        var charges = new RecordQuery(BillingEntity.Charge).Where("account_id", 1);
        var all = await store.ListAsync(charges, Cancel);
        proxy.Faults.ResetConnections();
        Assert.Equal(account, await store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel));
        proxy.Faults.ResetConnections();
        Assert.Equal(all, await store.ListAsync(charges, Cancel));

        proxy.Faults.RefuseConnections = true;
        proxy.Faults.ResetConnections();
        foreach (var call in new Func<Task>[]
        {
            () => store.GetAsync(BillingEntity.Account, "account_id", 1, Cancel),
            () => store.ListAsync(charges, Cancel),
            () => store.TotalAsync(new TotalQuery(BillingEntity.Charge, "amount").Where("account_id", 1), Cancel),
            () => store.InsertAsync(BillingEntity.Charge, SampleRows.Charge(1, 5), Cancel),
        })
        {
            Assert.Equal(MigrationErrorKind.Unreachable, (await Assert.ThrowsAsync<MigrationException>(call)).Kind);
        }
    }
}
