using BillingMigration.Control;
using BillingMigration.Sync;
using BillingMigration.Testing;
using BillingMigration.Tests.Snapshot;
using BillingMigration.Torture;

namespace BillingMigration.Tests.Sync;

/// <summary>Changes of every kind, made during and after the export, arrive.</summary>
public sealed class CatchUpTests(TestServers servers)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_insert_an_update_and_a_delete_arrive()
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb: false, rows: 500);
        await scenario.ExportAsync();
        await scenario.Database.ExecuteAsync("UPDATE charge SET amount = amount + 1 WHERE charge_id % 3 = 0");
        await scenario.Database.ExecuteAsync("DELETE FROM charge WHERE charge_id % 7 = 0");

        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        Assert.True(result is { Updated: > 0, Deleted: > 0, ItemsPut: > 0, ItemsDeleted: > 0 });
        await scenario.AssertEqualAsync();
        Assert.Equal(0, (await scenario.SyncAsync()).ItemsPut);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Random_changes_during_and_after_the_export_arrive(bool mariaDb)
    {
        await using var scenario = await Scenario.CreateAsync(servers, mariaDb, rows: 2_000);
        var writing = TortureWriters.RunAsync(
            scenario.Database.ConnectionString, new TortureWriterOptions { Writers = 4, Seed = 5, TransactionsEach = 100, TransactionsPerSecond = 100 }, Cancel);
        await scenario.ExportAsync();
        await scenario.SyncAsync();
        Assert.NotEqual(0, await writing);

        var result = await scenario.SyncAsync();

        Assert.Equal((SyncOutcome.Reached, SyncState.Consistent), (result.Outcome, result.State));
        await scenario.AssertEqualAsync();
    }

    [Theory]
    [InlineData("mysql")]
    [InlineData("mysql-native-fk")]
    [InlineData("mariadb")]
    public async Task A_short_trial_with_kills_and_cuts_loses_nothing(string name)
    {
        var output = TestContext.Current.TestOutputHelper!;
        await using var server = await SyncCommand.StartAsync(name);
        using var log = new StringWriter();
        var options = new SyncTortureOptions { Duration = TimeSpan.FromSeconds(35), Rows = 3_000, TransactionsPerSecond = 40, LongestLife = TimeSpan.FromSeconds(15) };
        var result = await SyncTorture.RunAsync(server, (await servers.DynamoDbAsync()).Endpoint, options, log, Cancel);
        output.WriteLine(log.ToString());
        Assert.Empty(result.Differences);
        Assert.True(result is { Transactions: > 0, Kills: > 0, Cuts: > 0 });
    }
}
