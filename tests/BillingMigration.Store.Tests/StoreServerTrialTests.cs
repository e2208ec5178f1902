using BillingMigration.Torture;

namespace BillingMigration.Store.Tests;

/// <summary>The short form of <c>torture store --server</c>.</summary>
public sealed class StoreServerTrialTests(SampleStores stores)
{
    [Theory]
    [InlineData(Backend.MySql)]
    [InlineData(Backend.MariaDb)]
    [InlineData(Backend.DynamoDb)]
    public async Task Many_calls_at_once_over_a_bad_way_are_done_once_or_refused(Backend backend)
    {
        var result = await StoreServerTrial.RunAsync(
            await stores.Servers.SourceAsync(backend == Backend.MariaDb), (await stores.Servers.DynamoDbAsync()).Endpoint, backend == Backend.DynamoDb, seed: 7, calls: 300, TestContext.Current.CancellationToken);
        Assert.Empty(result.Violations);
        Assert.InRange(result.Told["Done"], 100, 300);
    }
}
